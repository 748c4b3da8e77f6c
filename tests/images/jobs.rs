//! Jobs in a row, as the images are made for; afterwards everything is as it was.

use crate::docker::{Container, job, launches};
use crate::require_engine;
use serde_json::{Value, json};

/// Renders a page to a picture, once by the browser itself and once by Playwright.
const BROWSE: &str = r#"
page='data:text/html,<h1 style="background:teal">It works</h1>'
"$CHROME_BIN" --headless --no-sandbox --disable-gpu --window-size=640,480 --screenshot="$PWD/page.png" "$page" 2> chrome.log
node -e '
  (async () => {
    const browser = await require("playwright").chromium.launch({ channel: "chrome", args: ["--no-sandbox"] });
    const page = await browser.newPage();
    await page.goto(process.argv[1]);
    if (await page.textContent("h1") !== "It works") process.exit(3);
    await page.screenshot({ path: "playwright.png" });
    await browser.close();
  })().catch(error => { console.error(error); process.exit(4); });
' "$page" > node.log 2>&1
for picture in page.png playwright.png; do
  test "$(head -c 4 "$picture" | tail -c 3)" = PNG && test "$(stat -c %s "$picture")" -gt 1000
done
"#;

/// Compiles a program that starts the browser.
const COMPILE: &str = r#"
cat > go.mod <<'EOF'
module example.test/browse
EOF
cat > main.go <<'EOF'
package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
)

func main() {
	page := "data:text/html,<p>Go</p>"
	out, err := exec.Command(os.Getenv("CHROME_BIN"), "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", page).Output()
	if err != nil || !bytes.Contains(out, []byte("<p>Go</p>")) {
		fmt.Println(err, string(out))
		os.Exit(1)
	}
}
EOF
go build -o browse . && ./browse
"#;

/// Plays the jobs one after the other and looks whether anything is left of them.
fn play(name: &str, options: &[&str], jobs: &[Value]) {
    let idle = json!({ "idle_ms": 2000 });
    let steps: Vec<Value> = std::iter::once(idle).chain(jobs.iter().cloned()).collect();
    let c = Container::create(name, options, launches(&[&steps]));
    c.start();
    c.until_ready();
    let before = c.processes();
    let count = u32::try_from(jobs.len()).expect("a few");
    c.until_done(count);
    assert_eq!(
        c.metric("github_runner_jobs_total", "status=\"success\""),
        Some(f64::from(count)),
        "{name}: {}",
        c.log()
    );
    c.until("nothing is left of the jobs", |c| c.processes().len() == before.len());
    let after = c.processes();
    assert!(!after.iter().any(|(state, _)| state.starts_with('Z')), "{name}: {after:?}");
    let names = |list: &[(String, String)]| list.iter().map(|(_, comm)| comm.clone()).collect::<Vec<_>>();
    assert_eq!(names(&after), names(&before), "{name}");
    assert_eq!(c.stop(10).1, 0, "{name}");
}

#[test]
fn ten_jobs_on_standard() {
    require_engine!();
    // Each leaves an orphan and a zombie's child behind.
    let text =
        "git init -q . && (sleep 300 &) && (setsid sleep 0.1 &) && python3 -c 'print(1)' && docker --version";
    let jobs: Vec<Value> = (0..10).map(|n| job(&format!("job {n}"), text)).collect();
    play("standard", &[], &jobs);
}

#[test]
fn five_browser_jobs_on_chrome() {
    require_engine!();
    let jobs: Vec<Value> = (0..5).map(|n| job(&format!("browse {n}"), BROWSE)).collect();
    play("chrome", &["--shm-size=512m"], &jobs);
}

#[test]
fn five_jobs_that_compile_and_browse_on_chrome_go() {
    require_engine!();
    let both = format!("{COMPILE}{BROWSE}");
    let jobs: Vec<Value> = (0..5).map(|n| job(&format!("compile {n}"), &both)).collect();
    play("chrome-go", &["--shm-size=512m"], &jobs);
}
