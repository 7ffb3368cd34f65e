//! Device APIs to put behind the gateway: [`Things`], which is real, and [`Recorder`], which obeys the test.

mod answer;
pub(crate) mod blynk;
mod by_hand;
mod recorder;
mod things;

pub(crate) use answer::Answer;
pub(crate) use by_hand::{Socket, by_hand};
pub(crate) use recorder::{Recorder, Refusing, Seen};
pub(crate) use things::Things;
