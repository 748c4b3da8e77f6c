//! What an image says of itself, and what is in it.

use crate::docker::{IMAGES, docker, image, script};
use crate::require_engine;
use serde_json::Value;

/// What we may add to an image: the program, and the one with the demo.
const OURS: u64 = 11 << 20;

fn inspect(name: &str) -> Value {
    let text = docker(&["image", "inspect", &image(name)]);
    serde_json::from_str::<Value>(&text).expect("JSON")[0].take()
}

#[test]
fn the_configuration_is_as_documented() {
    require_engine!();
    for name in IMAGES {
        let config = &inspect(name)["Config"];
        assert_eq!(config["Entrypoint"], serde_json::json!(["/usr/local/bin/runner-init"]), "{name}");
        assert_eq!(config["User"], "1001", "{name}");
        assert_eq!(config["StopSignal"], "SIGTERM", "{name}");
        assert!(config["Cmd"].is_null(), "{name}: {}", config["Cmd"]);
        assert!(config["ExposedPorts"]["9091/tcp"].is_object(), "{name}");
        assert_eq!(
            config["Healthcheck"]["Test"],
            serde_json::json!(["CMD", "/usr/local/bin/runner-init", "health"]),
            "{name}"
        );
        let labels = &config["Labels"];
        assert_eq!(labels["org.opencontainers.image.version"], env!("CARGO_PKG_VERSION"), "{name}");
        assert_eq!(labels["org.opencontainers.image.title"], format!("runner-init {name}"));
        let env: Vec<&str> =
            config["Env"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
        for variable in ["RUNNER_DIR=/actions-runner", "DISABLE_AUTO_UPDATE=true", "LANG=C.UTF-8"] {
            assert!(env.contains(&variable), "{name} has no {variable}: {env:?}");
        }
        assert!(env.contains(&format!("RUNNER_TYPE={name}").as_str()), "{name}: {env:?}");
    }
}

#[test]
fn the_files_belong_to_whom_they_should() {
    require_engine!();
    for name in IMAGES {
        let listed = script(
            name,
            "id; stat -c '%a %u:%g %n' /usr/local/bin/runner-init /actions-runner /actions-runner/config.sh \
               /actions-runner/bin /actions-runner/bin/Runner.Listener /actions-runner/externals /home/runner /home/runner/_work /var/lib/runner-init
             for at in /actions-runner /home/runner/_work /var/lib/runner-init; do touch $at/mine; done
             cd /actions-runner; touch .runner && mkdir _diag && mv .runner .credentials && rm .credentials
             for at in config.sh run.sh bin externals; do ! mv $at other 2> /dev/null && ! rm -rf $at 2> /dev/null || echo $at; done
             ! touch config.sh bin/mine externals/mine 2> /dev/null || echo writable
             ! cat /usr/local/bin/runner-init > /dev/null 2>&1 || echo readable
             ! command -v sudo",
        );
        let expected = "uid=1001(runner) gid=1001(runner) groups=1001(runner)
711 0:0 /usr/local/bin/runner-init
1777 0:0 /actions-runner
755 0:0 /actions-runner/config.sh
777 0:0 /actions-runner/bin
755 0:0 /actions-runner/bin/Runner.Listener
777 0:0 /actions-runner/externals
770 1001:0 /home/runner
775 1001:0 /home/runner/_work
775 1001:0 /var/lib/runner-init
";
        assert_eq!(listed, expected, "{name}");
    }
}

/// A job writes as the image's user: what it can put before our directory is run by whoever calls a program by its name.
#[test]
fn nothing_that_jobs_write_comes_before_our_program() {
    require_engine!();
    let look = "IFS=:; for dir in $PATH; do test \"$dir\" != /usr/local/bin || { echo ours; exit; }
        ! mkdir -p \"$dir/planted\" 2>/dev/null || echo \"$dir\"; done";
    for name in IMAGES {
        assert_eq!(script(name, look), "ours\n", "{name}");
        // Nor what the group of a platform's own users may write.
        let any = ["run", "--rm", "--user=4711:0", &image(name), "sh", "-euc", look];
        assert_eq!(docker(&any), "ours\n", "{name}");
    }
}

#[test]
fn the_tools_a_job_expects_are_there() {
    require_engine!();
    let tools = "git --version; jq --version; curl --version; docker --version; docker buildx version; docker compose version
        python3 -m venv --without-pip /tmp/venv; /tmp/venv/bin/python -c 'import ensurepip'; ps --version; unzip -v; xz --version; tar --version
        zstd --version; ssh -V; test -s /etc/ssl/certs/ca-certificates.crt; ls /usr/lib/*/libicuuc.so.*; runner-init --version";
    for name in IMAGES {
        let said = script(name, tools);
        assert!(said.contains(&format!("runner-init {}", env!("CARGO_PKG_VERSION"))), "{name}: {said}");
    }
    for name in ["chrome", "chrome-go"] {
        let said = script(
            name,
            "node --version; npm --version; playwright --version; command -v Xvfb; fc-list | wc -l
             test \"$(readlink -f \"$CHROME_BIN\")\" = \"$(readlink -f /opt/google/chrome/chrome)\"
             major() { grep -oE '[0-9]+\\.[0-9]+\\.[0-9]+\\.[0-9]+' | head -1; }
             echo \"browser $(chrome --version | major) driver $(chromedriver --version | major)\"",
        );
        let line = said.lines().find_map(|line| line.strip_prefix("browser ")).expect("versions");
        let (browser, driver) = line.split_once(" driver ").expect("two");
        assert_eq!(browser, driver, "{name}: the driver is another version's");
    }
    assert!(script("chrome-go", "go version; gcc --version").contains("go version go"));
}

#[test]
fn our_own_addition_is_small() {
    require_engine!();
    for name in IMAGES {
        let format = "{{.Size}}\t{{.CreatedBy}}";
        let layers = docker(&["history", "--no-trunc", "--human=false", "--format", format, &image(name)]);
        let ours = |line: &&str| line.contains("runner-init") || line.contains("useradd");
        let size =
            |line: &str| line.split('\t').next().and_then(|size| size.parse::<u64>().ok()).expect("bytes");
        let (count, sum) = layers
            .lines()
            .filter(ours)
            .map(size)
            .filter(|size| *size > 0)
            .fold((0, 0), |(n, s), l| (n + 1, s + l));
        println!("{name}: {count} layers of ours, {sum} bytes");
        assert!(count >= 2 && sum <= OURS, "{name}: {count} layers, {sum} bytes:\n{layers}");
    }
}
