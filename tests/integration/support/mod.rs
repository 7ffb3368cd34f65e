//! What several tests stand on.

pub(crate) mod postgres;
pub(crate) mod random;
pub(crate) mod upstream;
pub(crate) mod world;
