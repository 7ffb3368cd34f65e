//! `cedargate secrets`: the keys that secrets of devices are sealed with.

use crate::cli::place::{self, StorePlace};
use crate::cli::{Answer, Failure, Outcome, print};
use crate::vault::KeyRing;

/// What to do with the keys.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make a key for `[secrets] keys`; it is kept nowhere
    Key,
    /// Seal every secret with the first key, so that the others can go
    Rotate(Rotate),
}

/// Options of `secrets rotate`.
#[derive(Debug, clap::Args)]
pub(super) struct Rotate {
    #[command(flatten)]
    place: StorePlace,
}

pub(super) fn run(command: &Command) -> Outcome {
    match command {
        Command::Key => {
            let key = KeyRing::fresh().map_err(|_| Failure::Message("there is no randomness".to_owned()))?;
            print::line(&key)?;
            Ok(Answer::Yes)
        }
        Command::Rotate(args) => rotate(args),
    }
}

fn rotate(args: &Rotate) -> Outcome {
    let config = args.place.config()?;
    if config.as_ref().is_none_or(|it| it.secrets.keys.first().is_none()) {
        let message = "there are no keys: name a configuration with `[secrets] keys` by `--config FILE`";
        return Err(Failure::Message(message.to_owned()));
    }
    let count = place::block_on(async {
        let store = args.place.open_existing(config.as_ref()).await?;
        let mut count = 0;
        loop {
            match store.reseal().await? {
                0 => break,
                sealed => count += sealed,
            }
        }
        store.close().await?;
        Ok(count)
    })?;
    print::line(&format!("sealed {count} anew: every secret is under the first key"))?;
    Ok(Answer::Yes)
}
