//! Who tells: what was configured, and what is known of the runner anyway.

/// The runner is the instance of its service, and a worker in the words of the conventions, unless it was said otherwise.
pub fn resource_of(
    mut configured: Vec<(String, String)>,
    runner: &str,
    version: &str,
) -> Vec<(String, String)> {
    let known = [("service.instance.id", runner), ("service.version", version), ("cicd.worker.name", runner)];
    for (key, value) in known {
        if !configured.iter().any(|(set, _)| set == key) {
            configured.push((key.to_owned(), value.to_owned()));
        }
    }
    configured
}
