//! `cedargate key`: API keys, shown once and stored hashed.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value as Json, json};

use crate::cli::place::{self, StorePlace};
use crate::cli::{Answer, Failure, Format, Outcome, print};
use crate::domain::moment::now_ms;
use crate::domain::{ChangeError, Uid};
use crate::identity::KeyText;
use crate::store::{ApiKey, Store, StoreError};

/// Keys of one question.
const PAGE: u32 = 500;
/// The longest name of a key, in bytes.
const NAME_BYTES_MAX: usize = 200;

/// What to do with keys.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make a key; it is shown this once
    Create(Create),
    /// List all keys, revoked ones included
    List(List),
    /// Revoke a key: it ends with the next request
    Revoke(Revoke),
}

/// Options of `key create`.
#[derive(Debug, clap::Args)]
pub(super) struct Create {
    /// Who the holder of the key is, such as User::wife
    #[arg(long, value_name = "T::ID")]
    principal: String,
    /// What the key is for
    #[arg(long, value_name = "TEXT", default_value = "")]
    name: String,
    /// How long it is good, such as 90days [default: for ever]
    #[arg(long, value_name = "DURATION")]
    expires: Option<String>,
    #[command(flatten)]
    place: StorePlace,
    /// How to answer
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Options of `key list`.
#[derive(Debug, clap::Args)]
pub(super) struct List {
    #[command(flatten)]
    place: StorePlace,
    /// How to answer
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Options of `key revoke`.
#[derive(Debug, clap::Args)]
pub(super) struct Revoke {
    /// The key's id, as `key list` shows it
    id: String,
    #[command(flatten)]
    place: StorePlace,
    /// How to answer
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

pub(super) fn run(command: &Command) -> Outcome {
    match command {
        Command::Create(args) => create(args),
        Command::List(args) => list(args),
        Command::Revoke(args) => revoke(args),
    }
}

fn create(args: &Create) -> Outcome {
    let principal = Uid::parse(&args.principal)?;
    if args.name.len() > NAME_BYTES_MAX || args.name.chars().any(char::is_control) {
        let message = format!("a name has at most {NAME_BYTES_MAX} bytes and no control characters");
        return Err(Failure::Message(message));
    }
    if !principal.is_tellable() {
        return Err(Failure::Message("the id has control characters: no key can speak for it".to_owned()));
    }
    let created_ms = now_ms();
    let expires_ms = args.expires.as_deref().map(|text| end(created_ms, text)).transpose()?;
    let text = KeyText::random().map_err(|error| Failure::Message(format!("no random key: {error}")))?;
    let key = ApiKey {
        id: uuid::Uuid::now_v7().simple().to_string().into(),
        hash: text.hash(),
        principal,
        name: args.name.clone(),
        created_ms,
        expires_ms,
        revoked_ms: None,
    };
    let config = args.place.config()?;
    let exists = place::block_on(async {
        let store = args.place.open(config.as_ref()).await?;
        let facts = store.facts_for(std::slice::from_ref(&key.principal), 1).await?;
        store.create_key(key.clone()).await?;
        store.close().await?;
        Ok(facts.get(&key.principal).is_some())
    })?;
    if !exists {
        print::remark(&format!(
            "{} is not in the store yet: the key opens nothing until it is",
            key.principal
        ))?;
    }
    match args.format {
        Format::Json => {
            let mut answer = to_json(&key);
            if let Json::Object(members) = &mut answer {
                members.insert("key".to_owned(), text.reveal().into());
            }
            print::json(&answer)?;
        }
        Format::Text => {
            print::line(text.reveal())?;
            print::remark(&format!(
                "key {} of {}: keep it now, it is not shown again",
                key.id, key.principal
            ))?;
        }
    }
    Ok(Answer::Yes)
}

fn end(created_ms: i64, text: &str) -> Result<i64, Failure> {
    let wrong = || Failure::Message(format!("`{text}` is not a time: write one such as `90days` or `12h`"));
    let given = humantime::parse_duration(text).map_err(|_| wrong())?;
    let ms = i64::try_from(given.as_millis()).ok().filter(|ms| *ms > 0).ok_or_else(wrong)?;
    // A time that cannot be written as a date is none that anybody meant.
    created_ms.checked_add(ms).filter(|end| date(*end).is_some()).ok_or_else(wrong)
}

fn list(args: &List) -> Outcome {
    let config = args.place.config()?;
    let keys = place::block_on(async {
        let store = args.place.open_existing(config.as_ref()).await?;
        let keys = all(&store).await?;
        store.close().await?;
        Ok(keys)
    })?;
    match args.format {
        Format::Json => print::json(&Json::Array(keys.iter().map(to_json).collect()))?,
        Format::Text if keys.is_empty() => print::line("there are no keys")?,
        Format::Text => {
            for key in &keys {
                let date = date(key.created_ms).unwrap_or_default();
                let what = format!("{}  {:<7}  {date}  {}", key.id, state(key), key.principal);
                print::line(format!("{what}  {}", key.name).trim_end())?;
            }
        }
    }
    Ok(Answer::Yes)
}

async fn all(store: &Arc<dyn Store>) -> Result<Vec<ApiKey>, Failure> {
    let mut keys: Vec<ApiKey> = Vec::new();
    loop {
        let after = keys.last().map(|key| key.id.to_string());
        let page = store.keys(after.as_deref(), PAGE).await?;
        if page.is_empty() {
            return Ok(keys);
        }
        keys.extend(page);
    }
}

fn revoke(args: &Revoke) -> Outcome {
    let config = args.place.config()?;
    let known = place::block_on(async {
        let store = args.place.open_existing(config.as_ref()).await?;
        let known = match store.revoke_key(&args.id, now_ms()).await {
            Ok(_) => true,
            Err(StoreError::Change(ChangeError::Missing(_))) => false,
            Err(error) => return Err(error.into()),
        };
        store.close().await?;
        Ok(known)
    })?;
    match (args.format, known) {
        (Format::Json, revoked) => print::json(&json!({ "id": args.id, "revoked": revoked }))?,
        (Format::Text, true) => print::line(&format!("revoked {}", args.id))?,
        (Format::Text, false) => {
            print::remark(&format!("there is no key `{}`: `cedargate key list` shows them", args.id))?;
        }
    }
    Ok(if known { Answer::Yes } else { Answer::No })
}

fn state(key: &ApiKey) -> &'static str {
    match (key.revoked_ms, key.is_live(now_ms())) {
        (Some(_), _) => "revoked",
        (None, true) => "live",
        (None, false) => "expired",
    }
}

fn to_json(key: &ApiKey) -> Json {
    json!({
        "id": &*key.id,
        "principal": key.principal.to_string(),
        "name": key.name,
        "state": state(key),
        "created": date(key.created_ms),
        "expires": key.expires_ms.and_then(date),
        "revoked": key.revoked_ms.and_then(date),
    })
}

/// A time as RFC 3339 writes it; it has four digits for the year.
fn date(ms: i64) -> Option<String> {
    /// The last second of the year 9999.
    const LAST_S: u64 = 253_402_300_799;
    let since = Duration::from_millis(u64::try_from(ms).ok()?);
    let time: SystemTime = UNIX_EPOCH + since;
    (since.as_secs() <= LAST_S).then(|| humantime::format_rfc3339_seconds(time).to_string())
}
