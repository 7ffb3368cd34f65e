//! The sharing API at its rim: real HTTP, a real store, the shipped policies and worlds.

pub(crate) mod bench;
mod cases;
mod coverage;
mod devices;
mod grants;
mod hang_up;
mod invitations;
mod keys;
mod lending_on;
mod mistakes;
mod model;
mod on_postgres;
mod openapi;
mod organizations;
mod people;
mod records;
mod repeats;
mod roles;
mod search;
mod stories;
mod text;
