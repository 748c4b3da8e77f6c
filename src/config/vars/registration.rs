//! Who we are to GitHub, and where the runner is registered.

use super::{ARC, LABBS, MYOUNG34, RUNNER, SANDERKNAPE, TCARDONNE};
use crate::config::names;
use crate::config::value::Kind;
use crate::config::variable::{Fallback, Group, Reach, Variable, alias, credential, row};

pub(super) const ROWS: &[Variable] = &[
    credential(
        names::GITHUB_TOKEN,
        Kind::Token,
        "Personal access token; registration, removal and just-in-time configurations are asked for with it.",
    )
    .aliases(&[
        alias("ACCESS_TOKEN", MYOUNG34),
        alias("GITHUB_ACCESS_TOKEN", TCARDONNE),
        alias("GITHUB_PAT", SANDERKNAPE),
        alias("ACTIONS_RUNNER_INPUT_PAT", RUNNER),
    ]),
    credential(names::APP_ID, Kind::AppId, "GitHub App, by number or client id; needs APP_PRIVATE_KEY.")
        .aliases(&[alias("GITHUB_APP_ID", LABBS)]),
    credential(
        names::APP_PRIVATE_KEY,
        Kind::PrivateKey,
        "Private key of the GitHub App: PEM with line ends or `\\n`, or base64 of it.",
    )
    .aliases(&[alias("GITHUB_APP_PRIVATE_KEY", LABBS)]),
    credential(
        names::APP_INSTALLATION_ID,
        Kind::Id,
        "Installation of the GitHub App; found by APP_LOGIN when not set.",
    )
    .aliases(&[alias("GITHUB_APP_INSTALLATION_ID", LABBS)]),
    credential(
        names::APP_LOGIN,
        Kind::Account,
        "Account the GitHub App is installed for; the target's owner when not set.",
    ),
    credential(
        names::RUNNER_TOKEN,
        Kind::Token,
        "Registration token, valid for one hour: enough to register once; ignored beside a token or App.",
    )
    .aliases(&[alias("ACTIONS_RUNNER_INPUT_TOKEN", RUNNER)]),
    credential(
        names::JITCONFIG,
        Kind::Jit,
        "Just-in-time configuration, as ARC's scale sets give it: nothing else is registered, the runner takes one job.",
    )
    .reaches(Reach::Listener),
    row(
        Group::Target,
        names::GITHUB_REPOSITORY,
        Kind::Repository,
        Fallback::Unset,
        "OWNER/REPOSITORY; or the repository alone, beside GITHUB_OWNER.",
    )
    .aliases(&[alias("RUNNER_REPO", ARC)]),
    row(
        Group::Target,
        names::GITHUB_OWNER,
        Kind::Account,
        Fallback::Unset,
        "Owner of GITHUB_REPOSITORY; alone it is an organisation.",
    ),
    row(Group::Target, names::ORG_NAME, Kind::Account, Fallback::Unset, "Organisation.")
        .aliases(&[alias("RUNNER_ORG", ARC)]),
    row(Group::Target, names::ENTERPRISE_NAME, Kind::Account, Fallback::Unset, "Enterprise, by its slug.")
        .aliases(&[alias("RUNNER_ENTERPRISE", ARC)]),
    row(
        Group::Target,
        names::RUNNER_URL,
        Kind::Base,
        Fallback::Unset,
        "URL of the repository, organisation (`/NAME`) or enterprise (`/enterprises/NAME`).",
    )
    .aliases(&[
        alias("REPO_URL", MYOUNG34),
        alias("RUNNER_REPOSITORY_URL", TCARDONNE),
        alias("RUNNER_ORGANIZATION_URL", TCARDONNE),
    ]),
    row(
        Group::Target,
        names::RUNNER_SCOPE,
        Kind::Choice(&["repo", "org", "enterprise", "repository", "organization", "organisation", "ent"]),
        Fallback::Unset,
        "Which one is meant where several of the above are set.",
    ),
    row(
        Group::Target,
        names::ORG_RUNNER,
        Kind::Flag,
        Fallback::Value("false"),
        "The same as RUNNER_SCOPE=org, as myoung34's image once had it.",
    ),
    row(
        Group::Target,
        names::GITHUB_HOST,
        Kind::Host,
        Fallback::Value("github.com"),
        "Whose GitHub: github.com, a tenant of ghe.com, or an Enterprise Server, with port and path if need be; \
         the host of RUNNER_URL when not set.",
    )
    .aliases(&[alias("GITHUB_URL", ARC)]),
    row(
        Group::Target,
        names::GITHUB_API_URL,
        Kind::Base,
        Fallback::Rule("`https://api.HOST` for github.com and ghe.com, else `https://HOST/api/v3`"),
        "Where the REST API begins.",
    ),
    row(
        Group::Target,
        names::GITHUB_API_HOST,
        Kind::Base,
        Fallback::Unset,
        "Only the host of the API, as myoung34's image has it.",
    ),
    row(
        Group::Target,
        names::GITHUB_API_PATH,
        Kind::UrlPath,
        Fallback::Unset,
        "Only the path of the API, as myoung34's image has it; `/` is none.",
    ),
];
