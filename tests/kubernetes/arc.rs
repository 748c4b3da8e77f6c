//! ARC's values: the pod that each makes is one that Kubernetes takes, with our program as its command; rendered by ARC's own chart
//! where that lies at hand.

use crate::tools;
use crate::tools::{documents, root};
use serde_json::{Value, json};
use std::fs;

const MODES: [&str; 3] = ["default", "dind", "kubernetes"];

fn values(mode: &str) -> Value {
    let path = root().join(format!("compose/kubernetes/arc/{mode}.yaml"));
    documents(&fs::read_to_string(path).unwrap()).remove(0)
}

/// A pod of this spec, as the controller makes it.
fn pod(spec: &Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "x" }, "spec": spec })
}

fn env<'a>(container: &'a Value, name: &str) -> &'a Value {
    let vars = container["env"].as_array().unwrap();
    vars.iter().find(|var| var["name"] == name).map_or(&Value::Null, |var| &var["value"])
}

#[test]
fn kubernetes_takes_the_pods_and_we_are_their_command() {
    let tools = tools!();
    for mode in MODES {
        let values = values(mode);
        let spec = &values["template"]["spec"];
        assert_eq!(tools.faults(&[pod(spec)]), [""; 0], "{mode}");
        let runner = &spec["containers"][0];
        assert_eq!(runner["name"], "runner", "ARC looks for it by that name");
        let command = runner["command"][0].as_str().unwrap();
        assert!(command.ends_with("/runner-init"), "{mode}: {command}");
        let wait = spec["terminationGracePeriodSeconds"].as_u64().unwrap();
        assert_eq!(env(runner, "RUNNER_STOP_GRACE"), &json!(wait.to_string()), "{mode}");
        assert_eq!(
            env(runner, "METRICS_LINGER_SECONDS"),
            &Value::Null,
            "{mode}: the next job would wait for it"
        );
        assert!(values["githubConfigSecret"].is_string(), "{mode}: a secret that is not in the file");
        if mode == "default" {
            continue;
        }
        // The program comes from the first container, which is root's, and cannot be changed in the second.
        assert_eq!(values["containerMode"]["type"], mode);
        let init = &spec["initContainers"][0];
        let dir = init["args"][1].as_str().unwrap();
        assert_eq!(
            (&init["args"][0], &init["securityContext"]["runAsUser"]),
            (&json!("copy-self"), &json!(0))
        );
        assert_eq!(command, format!("{dir}/runner-init"));
        assert_eq!(init["volumeMounts"][0]["mountPath"], dir);
        let mount = &runner["volumeMounts"][0];
        assert_eq!((&mount["mountPath"], &mount["readOnly"]), (&json!(dir), &json!(true)));
        assert_eq!(env(runner, "RUNNER_DIR"), "/home/runner");
    }
}

/// The chart is another project's and is not fetched: `ARC_CHART` is its directory.
#[test]
fn arcs_own_chart_takes_the_values() {
    let tools = tools!();
    let Some(chart) = std::env::var_os("ARC_CHART") else {
        eprintln!("\n*** NOT RENDERED BY ARC'S OWN CHART: ARC_CHART names no directory of it ***\n");
        return;
    };
    let chart = chart.to_str().unwrap();
    for mode in MODES {
        let file = root().join(format!("compose/kubernetes/arc/{mode}.yaml"));
        let more = [
            "--set",
            "controllerServiceAccount.name=a,controllerServiceAccount.namespace=b",
            "--kube-version",
            "1.33.0",
        ];
        let args = [&["template", "ci", chart, "--values", file.to_str().unwrap()], &more[..]].concat();
        let things = documents(&tools.helm(&args).unwrap());
        let set = things.iter().find(|thing| thing["kind"] == "AutoscalingRunnerSet").unwrap();
        let spec = &set["spec"]["template"]["spec"];
        assert_eq!(tools.faults(&[pod(spec)]), [""; 0], "{mode}");
        let runner =
            spec["containers"].as_array().unwrap().iter().find(|one| one["name"] == "runner").unwrap();
        assert_eq!(runner["command"], values(mode)["template"]["spec"]["containers"][0]["command"], "{mode}");
        assert_eq!(env(runner, "RUNNER_STOP_GRACE"), "600");
        let inits: Vec<&Value> =
            spec["initContainers"].as_array().into_iter().flatten().map(|one| &one["name"]).collect();
        let expected: &[&str] = match mode {
            "default" => &[],
            "dind" => &["init-dind-externals", "dind", "runner-init"],
            _ => &["runner-init"],
        };
        assert_eq!(inits, expected, "{mode}");
    }
}
