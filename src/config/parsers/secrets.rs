//! Parsers of secrets with a shape of their own: an App's private key and a just-in-time configuration.

use super::{Parsed, line, or};
use crate::config::secret::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use std::borrow::Cow;
use zeroize::Zeroizing;

/// The base64 inside the PEM of a private key: line ends may be real, written as `\n`, or lost to blanks, and all of it may
/// be base64 once more.
pub(in crate::config) fn private_key(text: &str) -> Parsed<Secret> {
    let key = if text.contains("-----BEGIN") { pem(text) } else { unpacked(text) };
    or(key, "expected the PEM of an unencrypted RSA private key, with line ends or \\n, or base64 of it")
}

fn unpacked(text: &str) -> Option<Secret> {
    let packed = packed(text);
    let bytes = Zeroizing::new(STANDARD.decode(packed.as_bytes()).ok()?);
    pem(std::str::from_utf8(&bytes).ok()?)
}

fn pem(text: &str) -> Option<Secret> {
    let text = Zeroizing::new(text.replace("\\r", ""));
    let text = Zeroizing::new(text.replace("\\n", "\n"));
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (kind, rest) = rest.split_once("-----")?;
    if kind != "RSA PRIVATE KEY" && kind != "PRIVATE KEY" {
        return None;
    }
    let (body, _) = rest.split_once(&format!("-----END {kind}-----"))?;
    let mut body = packed(body);
    let decodes = STANDARD.decode(body.as_bytes()).map(Zeroizing::new).is_ok_and(|bytes| !bytes.is_empty());
    decodes.then(|| Secret::new(std::mem::take(&mut *body)))
}

/// Without blanks; one allocation, so that no outgrown copy is left behind.
fn packed(text: &str) -> Zeroizing<String> {
    let mut packed = Zeroizing::new(String::with_capacity(text.len()));
    packed.extend(text.split_ascii_whitespace());
    packed
}

/// The files a just-in-time configuration holds, the one without secrets alone.
#[derive(Deserialize)]
struct JitFiles<'a> {
    #[serde(rename = ".runner", borrow)]
    runner: Option<Cow<'a, str>>,
}

/// The part of `.runner` that is told here.
#[derive(Deserialize)]
struct JitRunnerFile {
    #[serde(rename = "agentName", alias = "AgentName")]
    name: Option<String>,
}

/// Base64 of a JSON object, as `Runner.Listener` takes it.
pub(in crate::config) fn jit(text: &str) -> Parsed<Secret> {
    let text = text.trim();
    let bytes = STANDARD.decode(text).map(Zeroizing::new).ok();
    let is_object = bytes.is_some_and(|bytes| serde_json::from_slice::<JitFiles<'_>>(&bytes).is_ok());
    or(is_object.then(|| Secret::new(text.to_owned())), "expected base64 of a just-in-time configuration")
}

/// The runner's name in a just-in-time configuration, if it is told and could be one.
pub(in crate::config) fn jit_name(config: &Secret, max: usize) -> Option<String> {
    let bytes = Zeroizing::new(STANDARD.decode(config.expose()).ok()?);
    let files: JitFiles<'_> = serde_json::from_slice(&bytes).ok()?;
    let runner = STANDARD.decode(files.runner?.as_bytes()).ok()?;
    let runner = runner.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&runner);
    line(&serde_json::from_slice::<JitRunnerFile>(runner).ok()?.name?, max).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_out_the_same_however_it_was_written() {
        let body = STANDARD.encode([7_u8; 72]);
        let (first, rest) = body.split_at(64);
        let in_lines = |text: &str| {
            let lines = text.as_bytes().chunks(76);
            lines.map(|line| String::from_utf8_lossy(line) + "\n").collect::<String>()
        };
        for kind in ["RSA PRIVATE KEY", "PRIVATE KEY"] {
            let plain = format!("-----BEGIN {kind}-----\n{first}\n{rest}\n-----END {kind}-----\n");
            let forms = [
                plain.clone(),
                plain.trim_end().to_owned(),
                plain.replace('\n', "\r\n"),
                plain.replace('\n', "\\n"),
                plain.replace('\n', "\\r\\n"),
                plain.replace('\n', " "),
                format!("\"{}\"", plain.replace('\n', "\\n")),
                format!("-----BEGIN {kind}-----{body}-----END {kind}-----"),
                format!("\n  {plain}\n"),
                STANDARD.encode(&plain),
                STANDARD.encode(plain.replace('\n', "\\n")),
                in_lines(&STANDARD.encode(&plain)),
                format!("{}\n", STANDARD.encode(plain.replace('\n', "\r\n"))),
            ];
            for form in forms {
                assert_eq!(private_key(&form).expect(&form).expose(), body, "{form}");
            }
        }
    }

    #[test]
    fn what_is_no_private_key_is_refused() {
        let body = STANDARD.encode([7_u8; 100]);
        let with = |kind: &str, body: &str| format!("-----BEGIN {kind}-----\n{body}\n-----END {kind}-----\n");
        for text in [
            String::new(),
            "ghp_token".into(),
            body.clone(),
            with("PRIVATE KEY", ""),
            with("PRIVATE KEY", "not*base64"),
            with("PUBLIC KEY", &body),
            with("OPENSSH PRIVATE KEY", &body),
            with("ENCRYPTED PRIVATE KEY", &body),
            with("RSA PRIVATE KEY", &format!("Proc-Type: 4,ENCRYPTED\n\n{body}")),
            format!("-----BEGIN PRIVATE KEY-----\n{body}\n"),
            STANDARD.encode(with("PUBLIC KEY", &body)),
        ] {
            assert!(private_key(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_just_in_time_configuration_tells_its_runner_s_name() {
        let runner = STANDARD.encode("\u{feff}{\"agentId\":\"7\",\"agentName\":\"arc-1\",\"poolId\":1}");
        let encode = |json: &str| STANDARD.encode(json);
        let named = jit(&format!(
            " {}\n",
            encode(&format!("{{\".credentials\":\"eA==\",\".runner\":\"{runner}\"}}"))
        ));
        assert_eq!(jit_name(&named.unwrap(), 64), Some("arc-1".into()));
        for nameless in ["{}", r#"{".runner":"!"}"#, r#"{".runner":"e30="}"#, r#"{".runner":null}"#] {
            assert_eq!(jit_name(&jit(&encode(nameless)).unwrap(), 64), None, "{nameless}");
        }
        for wrong in ["", "{}", "czNjcjN0", &encode("1"), &encode(r#"{".runner":1}"#)] {
            assert!(jit(wrong).is_err(), "{wrong}");
        }
    }
}
