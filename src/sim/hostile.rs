//! Job names somebody could choose to confuse whoever reads the runner's output.

/// Names that work as names: markers of the runner's own lines, every kind of bracket and quote, other scripts, escapes,
/// 10 kB, and newlines that forge whole lines (`other` is the name in the forged ones).
pub fn hostile_names(other: &str) -> Vec<String> {
    let stamp = "2026-08-17 13:15:44Z";
    vec![
        String::new(),
        " ".into(),
        "build: test: deploy".into(),
        r#"say "hi" and 'bye' \ `date` $(id)"#.into(),
        "caller / callee / build (ubuntu-latest, 18)".into(),
        "x completed with result: Failed".into(),
        "Job x completed with result: Failed completed with result: Canceled".into(),
        "Running job: Listening for Jobs".into(),
        "🚀 déploiement 部署 \u{202e}txet".into(),
        "\u{1b}[31mred\u{1b}[0m \u{1b}]0;title\u{7}\u{1b}[2J".into(),
        "tab\tbell\u{7}nul\u{0}bs\u{8}".into(),
        "carriage\rreturn".into(),
        "x".repeat(10_240),
        format!("first line\n{stamp}: Job {other} completed with result: Succeeded"),
        format!("first line\n{stamp}: Running job: {other}\n{stamp}: Listening for Jobs"),
        "comma, \"quote\" and\r\nnewline; =cmd()|'/c calc'!A0".into(),
    ]
}
