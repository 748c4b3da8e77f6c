//! Authentication: a token as it is, or an App's JWT and its cached installation token. A credential becomes the bearer
//! of one call: a PAT as it is, an App by way of a signed statement and a short-lived token.

use super::endpoint::Endpoint;
use super::error::{ApiError, ErrorKind};
use super::exchange::{Exchange, Request, Response};
use super::key::AppKey;
use super::models::{Installation, RegistrationToken};
use crate::config::Secret;
use crate::domain::target::Target;
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// What proves who we are.
#[derive(Clone, Debug)]
pub enum ApiCredential {
    /// A personal access token, classic or fine-grained.
    Pat(Secret),
    /// A GitHub App.
    App(App),
}

/// A GitHub App and where it is installed.
#[derive(Clone, Debug)]
pub struct App {
    /// Its id, or its client id.
    pub id: String,
    /// Its private key.
    pub key: AppKey,
    /// The installation to act as; looked up where it is not given.
    pub installation: Option<u64>,
    /// The account it is installed for, where that is not the target itself.
    pub login: Option<String>,
}

/// A credential without its secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CredentialKind {
    Pat,
    App,
}

impl ApiCredential {
    pub(super) fn kind(&self) -> CredentialKind {
        match self {
            ApiCredential::Pat(_) => CredentialKind::Pat,
            ApiCredential::App(_) => CredentialKind::App,
        }
    }
}

/// What an App has been given so far.
#[derive(Default)]
struct TokenCache {
    installation: Option<u64>,
    token: Option<RegistrationToken>,
}

/// GitHub refuses an `iat` in its future and an `exp` more than ten minutes ahead; a clock may be off by a minute.
const BACKDATED: TimeDelta = TimeDelta::seconds(60);
const VALID: TimeDelta = TimeDelta::minutes(9);
/// An installation token lives an hour; one that is about to die might die on the way.
const SPARE: TimeDelta = TimeDelta::minutes(5);

#[derive(Serialize)]
struct JwtClaims<'a> {
    iat: i64,
    exp: i64,
    iss: &'a str,
}

impl App {
    /// The signed statement "I am this App", valid for nine minutes.
    fn app_jwt(&self, now: DateTime<Utc>) -> Secret {
        let claims =
            JwtClaims { iat: (now - BACKDATED).timestamp(), exp: (now + VALID).timestamp(), iss: &self.id };
        self.key.sign(&claims)
    }

    /// Where it is installed: for the login if one is given, else for the `owner`.
    async fn installation(
        &self,
        exchange: &Exchange,
        owner: &str,
        deadline: Instant,
    ) -> Result<u64, ApiError> {
        let Some(login) = &self.login else { return self.installation_at(exchange, owner, deadline).await };
        match self.installation_at(exchange, &format!("/orgs/{login}"), deadline).await {
            Err(ApiError { kind: ErrorKind::NotFound, .. }) => {
                self.installation_at(exchange, &format!("/users/{login}"), deadline).await
            }
            response => response,
        }
    }

    async fn installation_at(
        &self,
        exchange: &Exchange,
        owner: &str,
        deadline: Instant,
    ) -> Result<u64, ApiError> {
        let wanted = format!("find the App's installation for {}", owner.trim_start_matches('/'));
        let request =
            Request::new(Endpoint::Installation, Method::GET, format!("{owner}/installation"), wanted);
        Ok(self.ask::<Installation>(exchange, &request, deadline).await?.id)
    }

    async fn token(
        &self,
        exchange: &Exchange,
        installation: u64,
        deadline: Instant,
    ) -> Result<RegistrationToken, ApiError> {
        let path = format!("/app/installations/{installation}/access_tokens");
        let wanted = format!("get a token for installation {installation} of the App");
        self.ask(exchange, &Request::new(Endpoint::AccessToken, Method::POST, path, wanted), deadline).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        exchange: &Exchange,
        request: &Request,
        deadline: Instant,
    ) -> Result<T, ApiError> {
        let response = exchange.ask(request, &self.app_jwt((exchange.clock)()), deadline).await?;
        exchange.parse(request, &response)
    }
}

/// A bearer, and whether it was made just now.
struct Bearer {
    token: Secret,
    fresh: bool,
}

/// As whom the API is asked.
pub(super) struct Authenticator {
    credential: ApiCredential,
    /// Whose installation of an App is looked for where no login is given: the target's path.
    owner: String,
    token_cache: Mutex<TokenCache>,
}

impl Authenticator {
    pub(super) fn new(credential: ApiCredential, target: &Target) -> Authenticator {
        let owner = format!("/{}", target.api_path());
        Authenticator { credential, owner, token_cache: Mutex::default() }
    }

    /// Asks as whom the credential says. A token of an App that is refused though it should live is replaced once.
    pub(super) async fn ask(
        &self,
        exchange: &Exchange,
        request: &Request,
        deadline: Instant,
    ) -> Result<Response, ApiError> {
        let bearer = self.bearer(exchange, deadline).await?;
        let response = exchange.ask(request, &bearer.token, deadline).await;
        match response {
            Err(ApiError { kind: ErrorKind::Unauthorized { .. }, .. }) if !bearer.fresh => {
                self.forget(&bearer.token).await;
                let bearer = self.bearer(exchange, deadline).await?;
                exchange.ask(request, &bearer.token, deadline).await
            }
            response => response,
        }
    }

    async fn bearer(&self, exchange: &Exchange, deadline: Instant) -> Result<Bearer, ApiError> {
        let app = match &self.credential {
            ApiCredential::Pat(token) => return Ok(Bearer { token: token.clone(), fresh: true }),
            ApiCredential::App(app) => app,
        };
        let mut token_cache = self.token_cache.lock().await;
        let now = (exchange.clock)();
        if let Some(token) = token_cache.token.as_ref().filter(|token| token.expires_at - now > SPARE) {
            return Ok(Bearer { token: token.token.clone(), fresh: false });
        }
        let installation = match token_cache.installation.or(app.installation) {
            Some(id) => id,
            None => {
                *token_cache.installation.insert(app.installation(exchange, &self.owner, deadline).await?)
            }
        };
        let token = app.token(exchange, installation, deadline).await?;
        Ok(Bearer { token: token_cache.token.insert(token).token.clone(), fresh: true })
    }

    async fn forget(&self, token: &Secret) {
        let mut token_cache = self.token_cache.lock().await;
        token_cache.token.take_if(|known| known.token == *token);
    }
}
