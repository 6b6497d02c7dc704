//! The manifests of the guide, held against the fields of their kinds.

use std::collections::BTreeSet;

use pagerelay::sources::variables;
use pagerelay_support::blocks::Block;
use yaml_rust2::Yaml;

/// The fields of the objects in the guide's YAML. Of SpinKube: `api/v1alpha1/spinapp_types.go` of spin-operator 0.6.1. Of
/// wasmCloud: `runtime-operator/api/runtime/v1alpha1/workload_types.go` of version 2. A path that ends in `*` allows anything
/// below it.
const FIELDS: &[(&str, &[&str])] = &[
    (
        "SpinApp",
        &[
            "spec.executor",
            "spec.image",
            "spec.imagePullSecrets[].name",
            "spec.replicas",
            "spec.enableAutoscaling",
            "spec.runtimeConfig.loadFromSecret",
            "spec.runtimeConfig.keyValueStores[].name",
            "spec.runtimeConfig.keyValueStores[].type",
            "spec.runtimeConfig.keyValueStores[].options[].name",
            "spec.runtimeConfig.keyValueStores[].options[].value",
            "spec.runtimeConfig.keyValueStores[].options[].valueFrom.secretKeyRef.name",
            "spec.runtimeConfig.keyValueStores[].options[].valueFrom.secretKeyRef.key",
            "spec.variables[].name",
            "spec.variables[].value",
            "spec.variables[].valueFrom.secretKeyRef.name",
            "spec.variables[].valueFrom.secretKeyRef.key",
            "spec.checks.readiness.*",
            "spec.checks.liveness.*",
            "spec.resources.limits.*",
            "spec.resources.requests.*",
            "spec.serviceAccountName",
            "spec.components[]",
            "spec.invocationLimits.*",
            "spec.podAnnotations.*",
            "spec.podLabels.*",
            "spec.serviceAnnotations.*",
            "spec.deploymentAnnotations.*",
        ],
    ),
    (
        "CronJob",
        &[
            "spec.schedule",
            "spec.concurrencyPolicy",
            "spec.jobTemplate.spec.backoffLimit",
            "spec.jobTemplate.spec.activeDeadlineSeconds",
            "spec.jobTemplate.spec.template.spec.restartPolicy",
            "spec.jobTemplate.spec.template.spec.containers[].name",
            "spec.jobTemplate.spec.template.spec.containers[].image",
            "spec.jobTemplate.spec.template.spec.containers[].args[]",
        ],
    ),
    (
        "HorizontalPodAutoscaler",
        &[
            "spec.scaleTargetRef.apiVersion",
            "spec.scaleTargetRef.kind",
            "spec.scaleTargetRef.name",
            "spec.minReplicas",
            "spec.maxReplicas",
            "spec.metrics[].type",
            "spec.metrics[].resource.name",
            "spec.metrics[].resource.target.type",
            "spec.metrics[].resource.target.averageUtilization",
        ],
    ),
    (
        "WorkloadDeployment",
        &[
            "spec.replicas",
            "spec.template.spec.hostSelector.*",
            "spec.template.spec.components[].name",
            "spec.template.spec.components[].image",
            "spec.template.spec.components[].localResources.allowedHosts[]",
            "spec.template.spec.components[].localResources.environment.*",
            "spec.template.spec.hostInterfaces[].namespace",
            "spec.template.spec.hostInterfaces[].package",
            "spec.template.spec.hostInterfaces[].interfaces[]",
            "spec.template.spec.hostInterfaces[].config.*",
            "spec.template.spec.hostInterfaces[].secretFrom[].name",
        ],
    ),
];

/// The fields in a piece of a configuration of Alertmanager or Prometheus. Of <https://prometheus.io/docs/alerting/latest/configuration/>
/// and <https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/>.
const PROMETHEUS: &[&str] = &[
    "groups[].name",
    "groups[].rules[].alert",
    "groups[].rules[].annotations.summary",
    "groups[].rules[].expr",
    "groups[].rules[].labels.severity",
    "receivers[].name",
    "receivers[].webhook_configs[].http_config.authorization.credentials_file",
    "receivers[].webhook_configs[].send_resolved",
    "receivers[].webhook_configs[].url",
    "route.receiver",
    "route.routes[].group_interval",
    "route.routes[].group_wait",
    "route.routes[].matchers[]",
    "route.routes[].receiver",
    "route.routes[].repeat_interval",
];

/// The fields of a probe of a `SpinApp`.
const PROBE: [&str; 7] = [
    "httpGet.path",
    "httpGet.httpHeaders[]",
    "initialDelaySeconds",
    "timeoutSeconds",
    "periodSeconds",
    "successThreshold",
    "failureThreshold",
];

/// The paths of the values of a YAML document: `spec.variables[].name`.
fn paths(value: &Yaml, at: &str, found: &mut BTreeSet<String>) {
    match value {
        Yaml::Hash(members) => {
            for (name, value) in members {
                let name = name.as_str().expect("a name");
                paths(value, &if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") }, found);
            }
        }
        Yaml::Array(items) => items.iter().for_each(|item| paths(item, &format!("{at}[]"), found)),
        _ => {
            found.insert(at.to_owned());
        }
    }
}

/// Holds that each receiver that a route names is there, and that nothing resolves a heartbeat.
fn routes(block: &Block, document: &Yaml) {
    let receivers: Vec<&Yaml> = document["receivers"].as_vec().into_iter().flatten().collect();
    let routes = document["route"]["routes"].as_vec().into_iter().flatten();
    for name in routes.chain([&document["route"]]).filter_map(|route| route["receiver"].as_str()) {
        assert!(receivers.iter().any(|receiver| receiver["name"].as_str() == Some(name)), "{}: {name}", block.at);
    }
    for webhook in receivers.iter().filter_map(|receiver| receiver["webhook_configs"].as_vec()).flatten() {
        let beats = webhook["url"].as_str().is_some_and(|url| url.contains("/heartbeat/"));
        assert!(!beats || webhook["send_resolved"].as_bool() == Some(false), "{}", block.at);
    }
}

/// Holds an object of Kubernetes against its fields, and its variables against those that spin.toml declares.
pub(crate) fn manifest(block: &Block, document: &Yaml) {
    let Some(kind) = document["kind"].as_str() else {
        let mut found = BTreeSet::new();
        paths(document, "", &mut found);
        let unknown: Vec<&String> = found.iter().filter(|path| !PROMETHEUS.contains(&path.as_str())).collect();
        assert!(unknown.is_empty(), "{}: no field of Alertmanager or Prometheus: {unknown:?}", block.at);
        routes(block, document);
        return;
    };
    let (_, fields) = FIELDS.iter().find(|(known, _)| *known == kind).unwrap_or_else(|| panic!("{}: {kind}", block.at));
    let mut found = BTreeSet::new();
    paths(document, "", &mut found);
    for path in &found {
        let probe = ["spec.checks.readiness.", "spec.checks.liveness."];
        let probe = probe.into_iter().find_map(|above| path.strip_prefix(above)).filter(|_| kind == "SpinApp");
        let is_field = |field: &&str| field.strip_suffix('*').map_or(path == *field, |above| path.starts_with(above));
        let known = match probe {
            Some(path) => PROBE.contains(&path),
            None => ["apiVersion", "kind", "metadata.name"].contains(&path.as_str()) || fields.iter().any(is_field),
        };
        assert!(known, "{}: {kind} has no field {path}", block.at);
    }
    if kind == "SpinApp" {
        let scales = !document["spec"]["enableAutoscaling"].is_badvalue();
        assert_eq!(document["spec"]["replicas"].is_badvalue(), scales, "{}: replicas or autoscaling", block.at);
        for variable in document["spec"]["variables"].as_vec().expect("variables") {
            let name = variable["name"].as_str().expect("a name");
            let declared = variables().into_iter().any(|known| known.declared && known.name == name);
            assert!(declared, "{}: spin.toml does not declare {name}", block.at);
        }
    }
}
