//! The sharing API at its rim: real HTTP, a real store, the shipped policies and worlds.

mod bench;
mod cases;
mod coverage;
mod devices;
mod grants;
mod hang_up;
mod invitations;
mod keys;
mod mistakes;
mod model;
mod organizations;
mod people;
mod repeats;
mod roles;
mod stories;
