//! The base and its overlays, rendered by kubectl, against the schemas and against what they promise.

use crate::tools;
use crate::tools::{documents, one, root};
use runner_init::config;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;

const DIR: &str = "compose/kubernetes";
const ALL: [&str; 3] = ["base", "overlays/ephemeral", "overlays/collector"];

/// Every pod's spec in it.
fn pods(things: &[Value]) -> Vec<&Value> {
    let specs = ["/spec/template/spec", "/spec/jobTemplate/spec/template/spec"];
    things.iter().filter_map(|thing| specs.iter().find_map(|path| thing.pointer(path))).collect()
}

fn variable<'a>(pod: &'a Value, name: &str) -> Option<&'a Value> {
    pod["containers"][0]["env"].as_array()?.iter().find(|var| var["name"] == name)
}

#[test]
fn every_version_from_1_30_on_takes_what_kubectl_makes_of_them() {
    let tools = tools!();
    for dir in ALL {
        let things = tools.kustomize(&root().join(DIR).join(dir));
        assert!(things.len() >= 4, "{dir}: {}", things.len());
        assert_eq!(tools.faults(&things), [""; 0], "{dir}");
    }
    // They would say so.
    let mut things = tools.kustomize(&root().join(DIR).join("base"));
    things[0]["spce"] = json!({});
    assert!(tools.faults(&things).len() >= 8, "one a version");
}

#[test]
fn one_value_is_what_the_kubelet_and_the_runner_wait() {
    let tools = tools!();
    let mut seen = 0;
    for dir in ALL {
        let things = tools.kustomize(&root().join(DIR).join(dir));
        for pod in pods(&things) {
            let Some(grace) = variable(pod, "RUNNER_STOP_GRACE") else { continue };
            let wait = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
            assert_eq!(grace["value"], wait.to_string(), "{dir}");
            seen += 1;
        }
    }
    assert_eq!(seen, 3);
}

#[test]
fn a_pod_may_nothing_and_its_token_is_in_no_file() {
    let tools = tools!();
    for dir in ALL {
        let things = tools.kustomize(&root().join(DIR).join(dir));
        for pod in pods(&things) {
            assert_eq!(pod["automountServiceAccountToken"], false, "{dir}");
            assert_eq!(pod["enableServiceLinks"], false, "{dir}: a Service called metrics sets METRICS_PORT");
            assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
            assert_eq!(pod["securityContext"]["fsGroup"], 1001, "{dir}: a volume of root's is refused");
            let own = &pod["containers"][0]["securityContext"];
            assert_eq!(
                (&own["allowPrivilegeEscalation"], &own["capabilities"]),
                (&json!(false), &json!({ "drop": ["ALL"] }))
            );
            let secrets =
                pod["volumes"].as_array().unwrap().iter().filter(|volume| volume["secret"].is_object());
            assert_eq!(secrets.count(), 0, "{dir}: a file that uid 1001 reads is every job's");
            if variable(pod, "GITHUB_TOKEN").is_some() {
                assert!(variable(pod, "GITHUB_TOKEN").unwrap()["valueFrom"]["secretKeyRef"].is_object());
                assert_eq!(
                    variable(pod, "RUNNER_NAME").unwrap()["valueFrom"]["fieldRef"]["fieldPath"],
                    "metadata.name"
                );
            }
        }
    }
}

#[test]
fn each_selector_means_the_pods_and_each_port_is_theirs() {
    let tools = tools!();
    let things = tools.kustomize(&root().join(DIR).join("base"));
    let set = one(&things, "StatefulSet", "runner");
    let labels = set["spec"]["template"]["metadata"]["labels"].as_object().unwrap();
    let service = one(&things, "Service", "runner");
    let (budget, policy) =
        (one(&things, "PodDisruptionBudget", "runner"), one(&things, "NetworkPolicy", "runner"));
    let monitor = documents(
        &fs::read_to_string(root().join(DIR).join("components/pod-monitor/podmonitor.yaml")).unwrap(),
    );
    for selector in [
        &set["spec"]["selector"]["matchLabels"],
        &service["spec"]["selector"],
        &budget["spec"]["selector"]["matchLabels"],
        &policy["spec"]["podSelector"]["matchLabels"],
        &monitor[0]["spec"]["selector"]["matchLabels"],
    ] {
        let selector = selector.as_object().unwrap();
        assert!(
            !selector.is_empty() && selector.iter().all(|(name, value)| labels[name] == *value),
            "{selector:?}"
        );
    }
    let ports = &set["spec"]["template"]["spec"]["containers"][0]["ports"];
    assert_eq!(*ports, json!([{ "name": "metrics", "containerPort": 9091 }]));
    for port in [
        &service["spec"]["ports"][0]["targetPort"],
        &policy["spec"]["ingress"][0]["ports"][0]["port"],
        &monitor[0]["spec"]["podMetricsEndpoints"][0]["port"],
    ] {
        assert_eq!(port, "metrics");
    }
    assert_eq!(set["spec"]["serviceName"], service["metadata"]["name"]);
    assert_eq!(policy["spec"]["policyTypes"], json!(["Ingress"]));
}

/// No schema that is to be had knows a `PodMonitor`, so the fields are compared with those of its documentation that we use.
#[test]
fn the_pod_monitor_joins_the_base_and_names_what_the_dashboards_ask_for() {
    let tools = tools!();
    let dir = tempfile::tempdir_in(root().join("target")).unwrap();
    let relative = |path: &str| format!("../../{DIR}/{path}");
    let top = json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization",
        "resources": [relative("base")], "components": [relative("components/pod-monitor")],
        "images": [{ "name": "localhost/runner-init/standard", "newName": "registry.example/me/standard", "newTag": "1" }],
        "configMapGenerator": [{ "name": "runner", "namespace": "runners", "behavior": "merge",
            "literals": ["GITHUB_REPOSITORY=octo/cat"] }],
    });
    fs::write(dir.path().join("kustomization.yaml"), top.to_string()).unwrap();
    let things = tools.kustomize(dir.path());
    let monitor = one(&things, "PodMonitor", "runner");
    assert_eq!(monitor["apiVersion"], "monitoring.coreos.com/v1");
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let of = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(keys(&monitor["spec"]), of(&["podMetricsEndpoints", "selector"]));
    let endpoint = &monitor["spec"]["podMetricsEndpoints"][0];
    assert_eq!(keys(endpoint), of(&["port", "interval", "relabelings"]));
    let targets: Vec<&Value> =
        endpoint["relabelings"].as_array().unwrap().iter().map(|rule| &rule["targetLabel"]).collect();
    assert_eq!(targets, ["job", "instance"]);
    assert_eq!(endpoint["relabelings"][0]["replacement"], "github-runners");
    // What the guide has its reader write works: image and target are theirs.
    let pod = pods(&things)[0];
    assert_eq!(pod["containers"][0]["image"], "registry.example/me/standard:1");
    let name = pod["containers"][0]["envFrom"][0]["configMapRef"]["name"].as_str().unwrap();
    assert_eq!(one(&things, "ConfigMap", name)["data"]["GITHUB_REPOSITORY"], "octo/cat");
}

#[test]
fn each_variable_is_one_of_ours_with_a_value_it_takes() {
    let tools = tools!();
    let known: BTreeSet<&str> = config::describe().iter().flat_map(config::Variable::names).collect();
    for dir in ALL {
        let things = tools.kustomize(&root().join(DIR).join(dir));
        for pod in pods(&things) {
            let vars = pod["containers"][0]["env"].as_array().unwrap();
            let unknown: Vec<&str> = vars
                .iter()
                .map(|var| var["name"].as_str().unwrap())
                .filter(|name| !known.contains(name))
                .collect();
            assert_eq!(unknown, [""; 0], "{dir}");
            let name = &pod["containers"][0]["envFrom"][0]["configMapRef"]["name"];
            let Some(name) = name.as_str() else { continue };
            let map = one(&things, "ConfigMap", name)["data"].as_object().unwrap();
            let values = vars.iter().filter_map(|var| Some((var["name"].as_str()?, var["value"].as_str()?)));
            let given =
                map.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).chain(values);
            let lookup = config::MapLookup::new(given).with("GITHUB_TOKEN", "ghp_x");
            let loaded = config::Config::from_lookup(&lookup).unwrap();
            let told: Vec<_> = loaded.warnings.iter().map(|warning| format!("{warning:?}")).collect();
            assert_eq!(told, [""; 0], "{dir}");
        }
    }
}
