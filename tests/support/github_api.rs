//! The rules of the fake: who may do what, what exists, what is answered. A lock around it is all the server adds.

use super::{APP_KEY, FakeRunner, Play, Request, Shape};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use ring::rsa::KeyPair;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use runner_init::github::Endpoint;
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};

/// What a bearer may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everything.
    Full,
    /// Nothing: 401.
    Revoked,
    /// GitHub's other answer to a credential that is no longer good: 404.
    Hidden,
    /// It is known and lacks the scope: 403.
    NoScope,
}

/// An answer: status, further headers, body.
pub type Reply = (u16, Vec<(&'static str, String)>, Option<Value>);

pub struct State {
    pub shape: Shape,
    target: String,
    pub ahead: TimeDelta,
    pub bearers: HashMap<String, Access>,
    installation_tokens: HashMap<String, DateTime<Utc>>,
    pub app: Option<(String, u64)>,
    /// Just-in-time configurations given out.
    jit_configs: Vec<String>,
    /// Tokens for `config.sh`: `R…` registers, `D…` removes; when they were issued.
    tokens: HashMap<String, DateTime<Utc>>,
    pub runners: Vec<FakeRunner>,
    next_id: u64,
    pub jobs: Vec<Value>,
    pub scripts: HashMap<Endpoint, VecDeque<Play>>,
    pub log: Vec<Request>,
    pub violations: Vec<String>,
    /// As servers before the `name` parameter: it lists everybody.
    pub ignores_name: bool,
}

fn hour() -> TimeDelta {
    TimeDelta::hours(1)
}

fn said(status: u16, message: &str) -> Reply {
    (
        status,
        Vec::new(),
        Some(json!({"message": message, "documentation_url": "https://docs.github.com/rest"})),
    )
}

fn ok(status: u16, body: Value) -> Reply {
    (status, Vec::new(), Some(body))
}

fn shown(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// A token nobody has seen before.
pub fn random(prefix: &str) -> String {
    format!("{prefix}{:016X}{:016X}", fastrand::u64(..), fastrand::u64(..))
}

impl State {
    pub fn new(shape: Shape, target: &str) -> State {
        State {
            shape,
            target: target.into(),
            ahead: TimeDelta::zero(),
            bearers: HashMap::new(),
            installation_tokens: HashMap::new(),
            app: None,
            jit_configs: Vec::new(),
            tokens: HashMap::new(),
            runners: Vec::new(),
            next_id: 1000,
            jobs: Vec::new(),
            scripts: HashMap::new(),
            log: Vec::new(),
            violations: Vec::new(),
            ignores_name: false,
        }
    }

    pub fn now(&self) -> DateTime<Utc> {
        Utc::now() + self.ahead
    }

    /// Which endpoint a request is for, by method and path alone.
    pub fn endpoint(&self, method: &str, path: &str) -> Option<Endpoint> {
        let path = path.strip_prefix(self.shape.prefix())?;
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let at = parts.iter().position(|part| *part == "runners");
        let rest = at.map_or(&[][..], |at| &parts[at + 1..]);
        Some(match (method, rest, &parts[..]) {
            ("POST", ["registration-token"], _) => Endpoint::RegistrationToken,
            ("POST", ["generate-jitconfig"], _) => Endpoint::JitConfig,
            ("GET", [], [.., "runners"]) => Endpoint::Runners,
            ("GET", [_], _) => Endpoint::Runner,
            ("DELETE", [_], _) => Endpoint::DeleteRunner,
            ("GET" | "PUT" | "DELETE", [_, "labels"], _) => Endpoint::Labels,
            ("GET", [], [.., "runner-groups"]) => Endpoint::RunnerGroups,
            ("GET", [], [.., "jobs"]) => Endpoint::Jobs,
            ("GET", [], [.., "installation"]) => Endpoint::Installation,
            ("POST", [], [.., "access_tokens"]) => Endpoint::AccessToken,
            _ => return None,
        })
    }

    /// Holds the client to what GitHub demands of every request.
    pub fn inspect(&mut self, request: &Request) -> Result<(), Reply> {
        let mut wrong = Vec::new();
        let version = env!("CARGO_PKG_VERSION");
        for (name, expected) in [
            ("user-agent", format!("runner-init/{version}")),
            ("accept", "application/vnd.github+json".to_owned()),
            ("x-github-api-version", "2022-11-28".to_owned()),
        ] {
            if request.header(name) != Some(expected.as_str()) {
                wrong.push(format!("{}: {name} is {:?}", request.line(), request.header(name)));
            }
        }
        if self.endpoint(&request.method, &request.path).is_none() {
            wrong.push(format!("{}: no such endpoint", request.line()));
        }
        if request.body.is_some() && request.header("content-type") != Some("application/json") {
            wrong.push(format!("{}: the body is not declared as JSON", request.line()));
        }
        let refused = !wrong.is_empty();
        self.violations.extend(wrong);
        if refused { Err(said(400, "Request forbidden by administrative rules.")) } else { Ok(()) }
    }

    /// The ordinary answer.
    pub fn answer(&mut self, endpoint: Endpoint, request: &Request) -> Reply {
        let path = request.path.strip_prefix(self.shape.prefix()).unwrap_or_default().to_owned();
        let bearer = request.header("authorization").and_then(|text| text.strip_prefix("Bearer "));
        let bearer = bearer.unwrap_or_default().to_owned();
        if matches!(endpoint, Endpoint::Installation | Endpoint::AccessToken) {
            return self.as_app(endpoint, &path, &bearer);
        }
        if let Err(reply) = self.admit(&bearer) {
            return reply;
        }
        if endpoint == Endpoint::Jobs {
            return self.list_jobs(request);
        }
        let Some(rest) = path.strip_prefix(&self.target).and_then(|rest| rest.strip_prefix("/actions/"))
        else {
            return said(404, "Not Found");
        };
        let id = rest.split('/').nth(1).and_then(|id| id.parse().ok()).unwrap_or_default();
        match endpoint {
            Endpoint::RegistrationToken => self.issue("R"),
            Endpoint::JitConfig => self.jit(request.body.as_ref()),
            Endpoint::Runners => self.list(&request.query),
            Endpoint::Runner => self.runner(id).map_or_else(|| said(404, "Not Found"), |r| ok(200, show(r))),
            Endpoint::DeleteRunner => self.delete(id),
            Endpoint::Labels => self.labels(id, &request.method, request.body.as_ref()),
            Endpoint::RunnerGroups => ok(
                200,
                json!({"total_count": 2, "runner_groups": [
                {"id": 1, "name": "Default", "default": true}, {"id": 7, "name": "builders", "default": false}]}),
            ),
            Endpoint::Jobs | Endpoint::Installation | Endpoint::AccessToken => said(500, "asked elsewhere"),
        }
    }

    fn admit(&self, bearer: &str) -> Result<(), Reply> {
        let lives = self.installation_tokens.get(bearer).map(|expiry| *expiry > self.now());
        let access = match lives {
            Some(true) => Some(Access::Full),
            Some(false) => Some(Access::Revoked),
            None => self.bearers.get(bearer).copied(),
        };
        match access {
            Some(Access::Full) => Ok(()),
            Some(Access::Revoked) | None => Err(said(401, "Bad credentials")),
            Some(Access::Hidden) => Err(said(404, "Not Found")),
            Some(Access::NoScope) => Err(said(403, "Resource not accessible by personal access token")),
        }
    }

    fn as_app(&mut self, endpoint: Endpoint, path: &str, statement: &str) -> Reply {
        let Some((id, installation)) = self.app.clone() else { return said(404, "Integration not found") };
        if let Err(message) = check_statement(statement, &id, self.now()) {
            return said(401, message);
        }
        if endpoint == Endpoint::Installation {
            let here = [&self.target, "/users/acme"].map(|owner| format!("{owner}/installation"));
            let found = here.iter().any(|known| known == path);
            return if found {
                ok(200, json!({"id": installation, "app_id": 5}))
            } else {
                said(404, "Not Found")
            };
        }
        if path != format!("/app/installations/{installation}/access_tokens") {
            return said(404, "Not Found");
        }
        let (token, expiry) = (random("ghs_"), self.now() + hour());
        self.installation_tokens.insert(token.clone(), expiry);
        ok(
            201,
            json!({"token": token, "expires_at": shown(expiry), "permissions": {"administration": "write"}}),
        )
    }

    /// Every installation token given out stops being good.
    pub fn revoke_installation_tokens(&mut self) {
        self.installation_tokens.clear();
    }

    fn issue(&mut self, prefix: &str) -> Reply {
        let token = self.new_token(prefix);
        ok(201, json!({"token": token, "expires_at": shown(self.now() + hour())}))
    }

    /// A token for `config.sh`, good from now on.
    pub fn new_token(&mut self, prefix: &str) -> String {
        let (token, now) = (random(prefix), self.now());
        self.tokens.insert(token.clone(), now);
        token
    }

    /// Every credential known or given out.
    pub fn secrets(&self) -> Vec<String> {
        let known = self.bearers.keys().chain(self.installation_tokens.keys()).chain(self.tokens.keys());
        known.chain(&self.jit_configs).cloned().collect()
    }

    /// Whether the token was issued for this, not more than an hour ago.
    fn is_good(&self, token: &str, prefix: &str) -> bool {
        token.starts_with(prefix)
            && self.tokens.get(token).is_some_and(|issued| self.now() - *issued < hour())
    }

    pub fn add_runner(&mut self, name: &str, labels: Vec<String>, ephemeral: bool) -> u64 {
        self.next_id += 1;
        let runner =
            FakeRunner { id: self.next_id, name: name.into(), labels, busy: false, online: true, ephemeral };
        self.runners.push(runner);
        self.next_id
    }

    pub fn register(
        &mut self,
        name: &str,
        labels: Vec<String>,
        token: &str,
        ephemeral: bool,
        replace: bool,
    ) -> Result<u64, u16> {
        if !self.is_good(token, "R") {
            return Err(404);
        }
        if self.runners.iter().any(|runner| runner.name == name) && !replace {
            return Err(409);
        }
        self.runners.retain(|runner| runner.name != name);
        Ok(self.add_runner(name, labels, ephemeral))
    }

    /// A registration token removes too: `actions-runner-controller` stops its runners with it.
    pub fn remove(&mut self, token: &str, name: &str) -> Result<(), u16> {
        let good = self.is_good(token, "R");
        let runner = self.runners.iter().find(|runner| runner.name == name).filter(|_| good);
        match runner {
            None => Err(404),
            Some(runner) if runner.busy => Err(422),
            Some(_) => {
                self.runners.retain(|runner| runner.name != name);
                Ok(())
            }
        }
    }

    pub fn jit(&mut self, body: Option<&Value>) -> Reply {
        let Some(body) = body else { return said(422, "Invalid request.") };
        let name = body["name"].as_str().unwrap_or_default();
        let labels: Vec<String> = serde_json::from_value(body["labels"].clone()).unwrap_or_default();
        if name.is_empty() || labels.is_empty() || !body["runner_group_id"].is_u64() {
            return said(422, "Invalid request.");
        }
        if self.runners.iter().any(|runner| runner.name == name) {
            return said(409, "Already exists - A runner with the same name already exists.");
        }
        let id = self.add_runner(name, labels, true);
        let file = json!({"AgentId": id.to_string(), "AgentName": name, "Ephemeral": "True",
            "GitHubUrl": "https://github.com/o/r"});
        let files =
            json!({".runner": STANDARD.encode(file.to_string()), ".credentials": STANDARD.encode("{}")});
        let encoded = STANDARD.encode(files.to_string());
        self.jit_configs.push(encoded.clone());
        let runner = self.runner(id).map(show);
        ok(201, json!({"runner": runner, "encoded_jit_config": encoded}))
    }

    /// Somebody listens for it, or nobody does yet.
    pub fn listens(&mut self, id: u64, online: bool) {
        if let Some(runner) = self.runners.iter_mut().find(|runner| runner.id == id) {
            runner.online = online;
        }
    }

    fn runner(&self, id: u64) -> Option<&FakeRunner> {
        self.runners.iter().find(|runner| runner.id == id)
    }

    fn list(&self, query: &str) -> Reply {
        let number = |name, default| parameter(query, name).and_then(|n| n.parse().ok()).unwrap_or(default);
        let (size, page): (usize, usize) = (number("per_page", 30), number("page", 1));
        let name = parameter(query, "name").filter(|_| !self.ignores_name);
        let fits = |runner: &&FakeRunner| name.as_ref().is_none_or(|name| runner.name == *name);
        let found: Vec<Value> = self.runners.iter().filter(fits).map(show).collect();
        let some: Vec<&Value> = found.iter().skip(size * (page - 1)).take(size).collect();
        ok(200, json!({"total_count": found.len(), "runners": some}))
    }

    fn delete(&mut self, id: u64) -> Reply {
        let Some(runner) = self.runner(id) else { return said(404, "Not Found") };
        if runner.busy {
            let message = format!("Bad request - Runner \"{}\" is still running a job\"", runner.name);
            return said(422, &message);
        }
        self.runners.retain(|runner| runner.id != id);
        (204, Vec::new(), None)
    }

    fn labels(&mut self, id: u64, method: &str, body: Option<&Value>) -> Reply {
        let Some(runner) = self.runners.iter_mut().find(|runner| runner.id == id) else {
            return said(404, "Not Found");
        };
        match method {
            "PUT" => {
                let labels = body.map(|body| body["labels"].clone());
                let Some(Ok(labels)) = labels.map(serde_json::from_value) else {
                    return said(422, "Invalid request.");
                };
                runner.labels = labels;
            }
            "DELETE" => runner.labels.clear(),
            _ => {}
        }
        let labels = show(runner)["labels"].clone();
        ok(200, json!({"total_count": labels.as_array().map(Vec::len), "labels": labels}))
    }

    fn list_jobs(&self, request: &Request) -> Reply {
        let number =
            |name| parameter(&request.query, name).and_then(|n| n.parse::<usize>().ok()).unwrap_or(1);
        let (size, page) = (number("per_page"), number("page"));
        let some: Vec<&Value> = self.jobs.iter().skip(size * (page - 1)).take(size).collect();
        let body = json!({"total_count": self.jobs.len(), "jobs": some});
        let etag = format!("W/\"{:08x}\"", crc32fast::hash(body.to_string().as_bytes()));
        if request.header("if-none-match") == Some(etag.as_str()) {
            return (304, vec![("etag", etag)], None);
        }
        (200, vec![("etag", etag)], Some(body))
    }
}

/// A parameter of a query, decoded.
fn parameter(query: &str, name: &str) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

/// A runner as GitHub shows it.
fn show(runner: &FakeRunner) -> Value {
    let fixed = ["self-hosted", "Linux", "X64"]
        .iter()
        .map(|name| json!({"id": 1, "name": name, "type": "read-only"}));
    let custom = runner.labels.iter().map(|name| json!({"id": 2, "name": name, "type": "custom"}));
    json!({
        "id": runner.id, "name": runner.name, "os": "linux", "busy": runner.busy,
        "status": if runner.online { "online" } else { "offline" },
        "labels": fixed.chain(custom).collect::<Vec<_>>(),
    })
}

/// What GitHub checks of an App's statement: the signature, who it is, and that it is neither old nor lives too long.
fn check_statement(statement: &str, id: &str, now: DateTime<Utc>) -> Result<(), &'static str> {
    const UNREADABLE: &str = "A JSON web token could not be decoded";
    let (message, signature) = statement.rsplit_once('.').ok_or(UNREADABLE)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| UNREADABLE)?;
    let body: String = APP_KEY.lines().filter(|line| !line.starts_with("-----")).collect();
    let pair = KeyPair::from_der(&STANDARD.decode(body).unwrap()).unwrap();
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public().as_ref());
    key.verify(message.as_bytes(), &signature).map_err(|_| UNREADABLE)?;
    let (header, claims) = message.split_once('.').ok_or(UNREADABLE)?;
    let json = |part: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    let (header, claims) = (json(header), json(claims));
    if header["alg"] != "RS256" || claims["iss"] != id {
        return Err("Integration not found");
    }
    let (iat, exp) = (claims["iat"].as_i64().unwrap_or_default(), claims["exp"].as_i64().unwrap_or_default());
    let now = now.timestamp();
    if iat > now {
        return Err(
            "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued",
        );
    }
    if exp <= now || exp > now + 600 {
        return Err(
            "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires",
        );
    }
    Ok(())
}
