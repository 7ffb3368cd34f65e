//! A client of the control API: it sends the token to the address that was named and nowhere else.

use std::path::Path;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Method, Response, Url};
use serde_json::Value as Json;

use crate::cli::Failure;
use crate::cli::remote::{Remote, Trouble};
use crate::finding::chain;

/// The variable that holds the token.
const TOKEN: &str = "CEDARGATE_TOKEN";
/// What API keys begin with; they travel in a header of their own.
const KEY_PREFIX: &str = "cgk_";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(60);
/// The longest answer that is read.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Items of one page.
const PAGE: &str = "200";

/// One request, before it is sent.
pub(in crate::cli) struct Request {
    method: Method,
    path: Vec<String>,
    query: Vec<(&'static str, String)>,
    body: Option<Json>,
}

impl Request {
    /// Reads what is at a path, given part by part.
    pub(super) fn get(path: &[&str]) -> Self {
        Self::new(Method::GET, path)
    }

    /// Makes or does something.
    pub(super) fn post(path: &[&str]) -> Self {
        Self::new(Method::POST, path)
    }

    /// Changes something.
    pub(super) fn patch(path: &[&str]) -> Self {
        Self::new(Method::PATCH, path)
    }

    /// Replaces something.
    pub(super) fn put(path: &[&str]) -> Self {
        Self::new(Method::PUT, path)
    }

    /// Takes something away.
    pub(super) fn delete(path: &[&str]) -> Self {
        Self::new(Method::DELETE, path)
    }

    fn new(method: Method, path: &[&str]) -> Self {
        let path = path.iter().map(|part| (*part).to_owned()).collect();
        Self { method, path, query: Vec::new(), body: None }
    }

    /// With a parameter.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    /// With a body; its members that are null are left out.
    pub(super) fn body(mut self, mut body: Json) -> Self {
        if let Json::Object(members) = &mut body {
            members.retain(|_, value| !value.is_null());
        }
        self.body = Some(body);
        self
    }
}

/// Asks the control API in somebody's name.
pub(in crate::cli) struct Client {
    base: Url,
    http: reqwest::Client,
}

impl Client {
    /// A client with the token that the options name.
    pub(super) fn new(remote: &Remote) -> Result<Self, Failure> {
        let wrong = |what: &str| Failure::Message(format!("`{}` is no control URL: {what}", remote.control));
        let base = Url::parse(&remote.control).map_err(|error| wrong(&error.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            return Err(wrong("write one such as `http://127.0.0.1:8081`"));
        }
        if !base.username().is_empty() || base.password().is_some() || base.query().is_some() {
            return Err(wrong("it holds no credentials and no query"));
        }
        let mut headers = HeaderMap::new();
        let (name, value) = credential(remote)?;
        headers.insert(name, value);
        let http = reqwest::Client::builder()
            .default_headers(headers)
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .build()
            .map_err(|error| Failure::Message(chain(&error)))?;
        Ok(Self { base, http })
    }

    /// The answer to one request; null where there is none.
    pub(super) async fn ask(&self, request: &Request) -> Result<Json, Trouble> {
        let mut sent = self.http.request(request.method.clone(), self.url(request)?);
        if let Some(body) = &request.body {
            sent = sent.header(CONTENT_TYPE, "application/json").body(body.to_string());
        }
        let response = sent.send().await.map_err(|error| lost(&request.method, &error))?;
        let status = response.status();
        let bytes = read(response).await.map_err(|what| not_read(&request.method, &what))?;
        let answer = match bytes.is_empty() {
            true => Json::Null,
            false => crate::json::parse(&bytes).map_err(|_| unknown(status.as_u16()))?,
        };
        let is_problem = answer.get("detail").is_some_and(Json::is_string);
        match status.as_u16() {
            200..300 => Ok(answer),
            400..500 if is_problem => Err(Trouble::Refused(answer)),
            _ if is_problem => Err(Failure::Message(super::show::problem(&answer)).into()),
            other => Err(unknown(other).into()),
        }
    }

    /// All items of a list, page by page.
    pub(super) async fn all(&self, request: Request) -> Result<Vec<Json>, Trouble> {
        let mut items = Vec::new();
        let mut page =
            Request { query: [request.query.clone(), vec![("limit", PAGE.to_owned())]].concat(), ..request };
        loop {
            let mut answer = self.ask(&page).await?;
            if let Some(Json::Array(more)) = answer.get_mut("items") {
                items.append(more);
            }
            let Some(next) = answer.get("next").and_then(Json::as_str) else { return Ok(items) };
            page.query.retain(|(name, _)| *name != "cursor");
            page = page.with("cursor", next);
        }
    }

    /// The organization that is named, or the caller's own.
    pub(super) async fn organization(&self, named: Option<&str>) -> Result<String, Trouble> {
        self.or_own(named, "/organization/id", "name the organization with `--org ID`").await
    }

    /// The person that is named, or the caller himself.
    pub(super) async fn user(&self, named: Option<&str>) -> Result<String, Trouble> {
        self.or_own(named, "/user/id", "name the person").await
    }

    async fn or_own(&self, named: Option<&str>, member: &str, hint: &str) -> Result<String, Trouble> {
        if let Some(named) = named {
            return Ok(named.to_owned());
        }
        let me = self.ask(&Request::get(&["me"])).await?;
        let own = me.pointer(member).and_then(Json::as_str).map(str::to_owned);
        Ok(own.ok_or_else(|| Failure::Message(format!("the operator has none of his own: {hint}")))?)
    }

    fn url(&self, request: &Request) -> Result<Url, Failure> {
        let mut url = self.base.clone();
        for part in &request.path {
            // A part that means another folder would make it another request.
            if part.is_empty() || part == "." || part == ".." {
                return Err(Failure::Message(format!("`{part}` is no id")));
            }
        }
        let parts = ["api", "v1"].into_iter().chain(request.path.iter().map(String::as_str));
        let cannot = || Failure::Message(format!("`{}` is no control URL", self.base));
        url.path_segments_mut().map_err(|()| cannot())?.pop_if_empty().extend(parts);
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        Ok(url)
    }
}

/// The header that says who asks; the token is never on the command line, where others can read it.
fn credential(remote: &Remote) -> Result<(HeaderName, HeaderValue), Failure> {
    let token = match &remote.token_file {
        Some(file) => secret(file)?,
        None => std::env::var(TOKEN).unwrap_or_default().trim().to_owned(),
    };
    if token.is_empty() {
        let what = format!("there is no token: set {TOKEN}, or name a file with `--token-file FILE`");
        return Err(Failure::Message(what));
    }
    let is_key = token.starts_with(KEY_PREFIX);
    let (name, value) = match is_key {
        true => (remote.key_header.as_str(), token),
        false => ("authorization", format!("Bearer {token}")),
    };
    let name = name.parse().map_err(|_| Failure::Message(format!("`{name}` is no header")))?;
    let unfit = |_| Failure::Message("the token holds characters that no token has".to_owned());
    let mut value = HeaderValue::try_from(value).map_err(unfit)?;
    value.set_sensitive(true);
    Ok((name, value))
}

/// The one line of a file that holds a secret.
pub(super) fn secret(file: &Path) -> Result<String, Failure> {
    let read = std::fs::read_to_string(file);
    let text = read.map_err(|error| Failure::Message(format!("`{}`: {error}", file.display())))?;
    Ok(text.trim().to_owned())
}

async fn read(mut response: Response) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| chain(&error))? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > ANSWER_BYTES_MAX {
            return Err(format!("it is longer than {ANSWER_BYTES_MAX} bytes"));
        }
    }
    Ok(bytes)
}

fn lost(method: &Method, error: &reqwest::Error) -> Failure {
    match error.is_connect() {
        true => Failure::Message(format!("the control API is not reached: {}", chain(error))),
        false => not_read(method, &chain(error)),
    }
}

/// Whoever does not hear the answer to a change does not know whether it was made.
fn not_read(method: &Method, what: &str) -> Failure {
    let doubt =
        if *method == Method::GET { "" } else { "; look before you repeat it: it may have been done" };
    Failure::Message(format!("the answer did not arrive: {what}{doubt}"))
}

fn unknown(status: u16) -> Failure {
    Failure::Message(format!("whatever answers there (status {status}) is not the control API"))
}
