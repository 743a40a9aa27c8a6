//! The running gateway, as its admin listener shows it: where it is, how it is asked, what a refusal says.

use super::{
    client::{self, Answer},
    config_file::ConfigFile,
    exit::{Exit, UsageError},
    query::Query,
    token::Token,
};
use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, StatusCode, Uri,
    header::{AUTHORIZATION, CONTENT_TYPE},
    uri::{PathAndQuery, Scheme},
};
use serde_json::Value;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(30);
const DEFAULT: &str = "http://127.0.0.1:9090";

/// The options that say which gateway is meant.
#[derive(Debug, Clone, clap::Args)]
pub struct GatewayOptions {
    /// The gateway's admin listener; without it `$HOOKGATE_ADMIN`, else http://127.0.0.1:9090
    ///
    /// The token is `$HOOKGATE_ADMIN_TOKEN`; without it, what the gateway wrote to the file `admin-token` in the store's
    /// folder, which is the rules file's `store.path`, else `./hookgate-data`.
    #[arg(long, value_name = "URL")]
    admin: Option<String>,

    #[command(flatten)]
    config: ConfigFile,
}

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    address: Uri,
    token: Token,
}

/// The gateway answered that it will not.
#[derive(Debug, thiserror::Error)]
#[error("{title}: {detail}")]
pub struct Refused {
    status: StatusCode,
    title: String,
    detail: String,
}

impl GatewayOptions {
    /// The gateway that they name.
    ///
    /// # Errors
    /// The address is none, or the rules file that the options name cannot be read.
    pub fn gateway(self) -> anyhow::Result<Gateway> {
        let variable = || std::env::var("HOOKGATE_ADMIN").ok().filter(|url| !url.is_empty());
        let text = self.admin.or_else(variable).unwrap_or_else(|| DEFAULT.to_owned());
        let address = client::url(&text, DEFAULT)?;
        if address.scheme() != Some(&Scheme::HTTP) || address.path() != "/" || address.query().is_some() {
            return Err(UsageError::Url { found: text.into(), wanted: DEFAULT }.into());
        }
        Ok(Gateway { address, token: Token::find(&self.config.store_folder()?) })
    }
}

impl Gateway {
    /// Reads through the API.
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub async fn get(&self, query: &Query) -> anyhow::Result<Value> {
        self.accepted(self.call(Method::GET, query, Bytes::new()).await?)
    }

    /// Acts through the API.
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub async fn post(&self, query: &Query, body: &Value) -> anyhow::Result<Value> {
        self.accepted(self.call(Method::POST, query, body.to_string().into()).await?)
    }

    /// Ends something through the API.
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub async fn delete(&self, query: &Query) -> anyhow::Result<Value> {
        self.accepted(self.call(Method::DELETE, query, Bytes::new()).await?)
    }

    /// The bare answer, whatever its code.
    ///
    /// # Errors
    /// No answer.
    pub async fn call(&self, method: Method, query: &Query, body: Bytes) -> anyhow::Result<Answer> {
        let mut request = Request::new(http_body_util::Full::new(body));
        if method == Method::POST {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        *request.method_mut() = method;
        if let Some(secret) = &self.token.secret {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", secret.expose())).map_err(|_| UsageError::TokenCharacters)?;
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        let mut url = self.address.clone().into_parts();
        url.path_and_query = Some(PathAndQuery::try_from(query.as_str())?);
        Ok(client::exchange(&Uri::from_parts(url)?, request, LIMIT).await?)
    }

    /// What an answer holds.
    ///
    /// # Errors
    /// It is a refusal, or none of the API.
    pub fn accepted(&self, answer: Answer) -> anyhow::Result<Value> {
        if !answer.status.is_success() {
            let mut refused = Refused::of(&answer);
            if answer.status == StatusCode::UNAUTHORIZED {
                refused.detail = format!("{} (token: {})", refused.detail, self.token.origin);
            }
            return Err(refused.into());
        }
        let unreadable = |_| anyhow::anyhow!("{} answered, but not as the API of hookgate does", self.address);
        serde_json::from_slice(&answer.body).map_err(unreadable)
    }
}

impl Refused {
    /// What the answer says: a problem document, else its code.
    pub fn of(answer: &Answer) -> Self {
        let document: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let text = |member: &str| document[member].as_str().map(str::to_owned);
        let reason = answer.status.canonical_reason().unwrap_or("an unknown code").to_lowercase();
        let title = text("title").unwrap_or_else(|| format!("answered {}", answer.status.as_u16()));
        Self { status: answer.status, title, detail: text("detail").unwrap_or(reason) }
    }

    /// What is wrong with the request is wrong usage; anything else is a no.
    pub fn exit(&self) -> Exit {
        if self.status == StatusCode::BAD_REQUEST { Exit::Usage } else { Exit::No }
    }
}
