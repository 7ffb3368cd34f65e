//! What several tests stand on.

pub(crate) mod gate;
pub(crate) mod postgres;
pub(crate) mod random;
pub(crate) mod sink;
pub(crate) mod upstream;
pub(crate) mod wire;
pub(crate) mod world;
