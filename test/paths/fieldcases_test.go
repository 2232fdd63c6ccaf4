package paths_test

import (
	"slices"
	"strings"
)

// fieldCases say every field that services have.
func fieldCases() []fieldCase {
	return slices.Concat(commonCases(), networkCases(), runningCases(), scaleCases(), watchCases(), ownCases(), clusterCases())
}

// clusterCases say what clusters have of their own.
func clusterCases() []fieldCase {
	return []fieldCase{
		{field: "class", text: `"company" => "other"`},
		{field: "pools", text: `pools: batch: {class: "spot", replicas: 1}`},
		{field: "pools/class", text: `pools: batch: {class: "large", replicas: 1}`, over: "pools"},
		{field: "pools/replicas", text: `pools: batch: {class: "spot", replicas: 2}`, over: "pools"},
		{field: "controlPlane.replicas", text: `controlPlane: replicas: 5`},
		{field: "network.pods", text: `network: pods: "10.0.0.0/16"`},
		{field: "network.services", text: `network: services: "10.1.0.0/16"`},
		{field: "variables", text: `variables: zones: ["a"]`},
	}
}

// processFields are what speaks of a process, and is refused where none runs.
func processFields() []string {
	return []string{"args", "config", "needs", "secrets", "egress", "flags", "internet", "resources"}
}

// refusal is what is said of a field on a path where it may not be said; false where it may.
func (c fieldCase) refusal(path string) (string, bool) {
	top, _, _ := strings.Cut(fieldOf(c.field), ".")
	if path == "cluster" && slices.Contains(processFields(), top) {
		return "has no effect on this path", true
	}
	text, ok := c.refused[path]
	return text, ok
}

// commonCases say what all services have in common.
func commonCases() []fieldCase {
	return []fieldCase{
		{field: "objectName", text: `objectName: "other-NAME"`, own: map[string]string{"chart": `objectName: "other-NAME", ports: http: {port: 8080, protocol: "http"}`}, refused: map[string]string{"manifests": `Service`}},
		{field: "tier", text: `tier: "critical"`},
		{field: "image", text: `registry.example.com/shop/ => registry.example.com/other/`, refused: map[string]string{"manifests": `image`, "chart": `image`}},
		{field: "args", text: `args: ["serve"]`, refused: map[string]string{"manifests": `has no effect on this path`, "chart": `has no effect on this path`, "static": `its own arguments`}},
		{field: "config", text: `config: COLOUR: "red"`},
		{field: "needs", text: `needs: other: service: "orders"`},
		{field: "needs/protocol", text: `needs: other: {service: "orders", endpoint: "http", protocol: "grpc"}`, refused: map[string]string{"web": `grpc`, "worker": `grpc`, "cron": `grpc`, "job": `grpc`, "stateful": `grpc`, "static": `grpc`, "manifests": `grpc`, "chart": `grpc`}},
		{field: "needs/postgres", text: `needs: db: postgres: version: "17"`},
		{field: "needs/postgres.version", text: `needs: db: postgres: version: "16"`, over: "needs/postgres"},
		{field: "needs/postgres.storage", text: `needs: db: postgres: {version: "17", storage: "20Gi"}`, over: "needs/postgres"},
		{field: "needs/postgres.resources", text: `needs: db: postgres: {version: "17", resources: {cpu: "500m", memory: "2Gi"}}`, over: "needs/postgres"},
		{field: "needs/redis", text: `needs: seen: redis: {}`},
		{field: "needs/redis.memory", text: `needs: seen: redis: memory: "512Mi"`, over: "needs/redis"},
		{field: "needs/queue", text: `needs: jobs: queue: {}`},
		{field: "needs/queue.storage", text: `needs: jobs: queue: storage: "20Gi"`, over: "needs/queue"},
		{field: "needs/queue.copies", text: `needs: jobs: queue: copies: 3`, over: "needs/queue"},
		{field: "needs/queue.resources", text: `needs: jobs: queue: resources: {cpu: "500m", memory: "2Gi"}`, over: "needs/queue"},
		{field: "needs/bucket", text: `needs: files: bucket: {}`},
		{field: "needs/bucket.versioned", text: `needs: files: bucket: versioned: true`, over: "needs/bucket"},
		{field: "secrets", text: `secrets: KEY: {from: "shop/bank", key: "key"}`},
		{field: "secrets/from", text: `secrets: KEY: {from: "shop/other", key: "key"}`, over: "secrets"},
		{field: "secrets/key", text: `secrets: KEY: {from: "shop/bank", key: "other"}`, over: "secrets"},
		{field: "secrets/as", text: `secrets: KEY: {from: "shop/bank", key: "key", as: "file"}`, over: "secrets", refused: map[string]string{"manifests": `the containers`, "chart": `the containers`}},
		{field: "flags", text: `flags: basket: {description: "Shows the new basket.", default: "off"}`},
		{field: "flags/default", text: `flags: basket: {description: "Shows the new basket.", default: "on"}`, over: "flags"},
		{field: "flags/variants", text: `flags: basket: {description: "Shows the new basket.", default: "off", variants: {off: "a", on: "b"}}`, over: "flags"},
		{field: "flags/rules", text: `flags: basket: {description: "Shows the new basket.", default: "off", rules: [{when: country: in: ["de"], serve: "on"}]}`, over: "flags"},
		{field: "flags/enabled", text: `flags: basket: {description: "Shows the new basket.", default: "off", enabled: false}`, over: "flags"},
		{field: "resources.cpu", text: `resources: cpu: "250m"`, refused: map[string]string{"manifests": `has no effect on this path`, "chart": `has no effect on this path`}},
		{field: "resources.cpu/default", text: `resources: cpu: "100m"`, over: "never", refused: map[string]string{"manifests": `has no effect on this path`, "chart": `has no effect on this path`}},
		{field: "resources.memory", text: `resources: memory: "256Mi"`, refused: map[string]string{"manifests": `has no effect on this path`, "chart": `has no effect on this path`}},
		{field: "resources.recommend", text: `resources: recommend: true`, refused: map[string]string{"manifests": `has no effect on this path`, "chart": `has no effect on this path`, "job": `nothing to learn`}},
		{field: "data", text: `data: "internal"`},
		{field: "patches", text: `patches: [{reason: "It is tried out.", target: kind: "ConfigMap", merge: data: TRIED: "yes"}]`, refused: map[string]string{"cluster": `one object`}},
	}
}

// networkCases say who is called and who calls.
func networkCases() []fieldCase {
	return []fieldCase{
		{field: "internet", text: `internet: true`},
		{field: "egress", text: `egress: bank: to: "203.0.113.0/24"`},
		{field: "egress/host", text: `egress: bank: to: "api.bank.example"`, over: "egress"},
		{field: "egress/port", text: `egress: bank: {to: "203.0.113.0/24", port: 8443}`, over: "egress"},
		{field: "http.port", text: `http: {port: 8080 => http: {port: 8081`, own: map[string]string{"static": `http: port: 8081`}, refused: map[string]string{"static": `8080`}},
		{field: "http.public", text: `http: public: false`, own: map[string]string{"web": `public: true => public: false`}},
		{field: "http.host", text: `environments: prod: http: host: "NAME.example.com"`},
		{field: "http.timeout", text: `http: timeout: 20`},
		{field: "http.retries.attempts", text: `http: retries: attempts: 3`},
		{field: "http.retries.within", text: `http: retries: {attempts: 3, within: 5}`, over: "http.retries.attempts"},
		{field: "http.limits.rate", text: `http: limits: rate: 10`},
		{field: "http.limits.concurrent", text: `http: limits: concurrent: 10`},
		{field: "http.health.live", text: `http: health: live: "/alive"`},
		{field: "http.health.ready", text: `http: health: ready: "/ready"`},
		{field: "http.health.start", text: `http: health: start: 90`},
		{field: "grpc.port", text: `grpc: port: 9000`},
		{field: "grpc.public", text: `grpc: {port: 9000, public: true}`, over: "grpc.port"},
		{field: "grpc.host", text: `grpc: port: 9000, environments: prod: grpc: host: "grpc.example.com"`, over: "grpc.port"},
		{field: "listen", text: `listen: mqtt: port: 1883`, own: map[string]string{"stateful": `listen: mqtt: {port: 1883, protocol: "tcp"}`}},
		{field: "listen/protocol", text: `listen: mqtt: {port: 1883, protocol: "http"}`, over: "listen"},
		{field: "among", text: `among: raft: 7000`},
		{field: "ports", text: `ports: admin: {port: 9000, protocol: "http"}`},
	}
}

// runningCases say where and how it runs.
func runningCases() []fieldCase {
	return []fieldCase{
		{field: "placement.class", text: `placement: class: "memory"`},
		{field: "placement.zones", text: `placement: zones: "require"`},
		{field: "placement.nodes", text: `placement: nodes: "require"`},
		{field: "volumes", text: `volumes: files: {path: "/files", size: "1Gi", access: "many", class: "files"}`},
		{field: "volumes/path", text: `volumes: files: {path: "/other", size: "1Gi", access: "many", class: "files"}`, over: "volumes"},
		{field: "volumes/size", text: `volumes: files: {path: "/files", size: "2Gi", access: "many", class: "files"}`, over: "volumes"},
		{field: "volumes/backup", text: `volumes: files: {path: "/files", size: "1Gi", access: "many", class: "files", backup: true}`, over: "volumes"},
		{field: "volumes/snapshots", text: `volumes: files: {path: "/files", size: "1Gi", access: "many", class: "files", snapshots: schedule: "0 3 * * *"}`, over: "volumes"},
		{field: "volumes/keep", text: `volumes: files: {path: "/files", size: "1Gi", keep: false}`, over: "volumes"},
		{field: "volumes/class", text: `volumes: files: {path: "/files", size: "1Gi", keep: false, class: "fast"}`, over: "volumes/keep"},
		{field: "migrate.args", text: `migrate: args: ["migrate"]`},
		{field: "migrate.timeout", text: `migrate: {args: ["migrate"], timeout: 60}`, over: "migrate.args"},
		{field: "migrate.retries", text: `migrate: {args: ["migrate"], retries: 3}`, over: "migrate.args"},
		{field: "stop", text: `stop: 45`},
		{field: "health.port", text: `health: port: 8081`},
		{field: "health.live", text: `health: {port: 8081, live: "/alive"}`, over: "health.port"},
		{field: "health.ready", text: `health: {port: 8081, ready: "/ready"}`, over: "health.port"},
		{field: "health.start", text: `health: {port: 8081, start: 90}`, over: "health.port"},
		{field: "replicas", text: `replicas: 3`},
		{field: "start", text: `start: "parallel"`},
		{field: "update", text: `update: "manual"`},
		{field: "updateFrom", text: `updateFrom: 1`},
		{field: "schedule", text: `0 4 * * * => 0 5 * * *`},
		{field: "timeZone", text: `timeZone: "Europe/Berlin"`},
		{field: "overlap", text: `overlap: "Replace"`},
		{field: "suspend", text: `suspend: true`},
		{field: "timeout", text: `timeout: 600`},
		{field: "retries", text: `retries: 5`},
		{field: "run", text: `run: "2"`},
		{field: "parts", text: `parts: 4`},
		{field: "parallel", text: `parallel: 2`},
	}
}

// scaleCases say how many there are.
func scaleCases() []fieldCase {
	return []fieldCase{
		{field: "scale.min", text: `scale: min: 3`},
		{field: "scale.max", text: `scale: max: 6`},
		{field: "scale.cpu", text: `scale: {max: 6, cpu: 50}`, over: "scale.max"},
		{field: "scale.memory", text: `scale: {max: 6, memory: 80}`, over: "scale.max"},
		{field: "scale.metrics", text: `scale: {max: 6, metrics: requests_per_second: 100}`, over: "scale.max"},
		{field: "scale.events.times", text: `scale: {max: 6, events: times: day: {from: "0 7 * * *", to: "0 19 * * *", replicas: 4}}`, over: "scale.max"},
		{field: "scale.events.enabled", text: `scale: {max: 6, events: {enabled: false, times: day: {from: "0 7 * * *", to: "0 19 * * *", replicas: 4}}}`, over: "scale.events.times"},
		{field: "scale.events.zero", text: `scale: {max: 6, events: {zero: true, times: day: {from: "0 7 * * *", to: "0 19 * * *", replicas: 4}}}`, over: "scale.events.times"},
		{field: "scale.events.queues", text: `config: JOBS_URL: "amqp://jobs", scale: {max: 6, events: queues: jobs: {broker: "rabbitmq", queue: "jobs", address: "JOBS_URL", length: 10}}`, over: "scale.max"},
		{field: "scale.events.queries", text: `scale: {max: 6, events: queries: waiting: {query: "sum(waiting)", perReplica: 10}}`, over: "scale.max"},
	}
}

// watchCases say how it is watched.
func watchCases() []fieldCase {
	return []fieldCase{
		{field: "metrics.port", text: `metrics: port: 9090`},
		{field: "metrics.path", text: `metrics: {port: 9090, path: "/m"}`, over: "metrics.port"},
		{field: "slo.availability", text: `metrics: port: 9090, links: runbook: "https://wiki.example.com/it", slo: availability: 99.9`, over: "metrics.port"},
		{field: "slo.latency.within", text: `metrics: port: 9090, links: runbook: "https://wiki.example.com/it", slo: latency: within: 300`, over: "metrics.port"},
		{field: "slo.latency.share", text: `metrics: port: 9090, links: runbook: "https://wiki.example.com/it", slo: latency: {within: 300, share: 95}`, over: "slo.latency.within"},
		{field: "slo.histogram", text: `metrics: port: 9090, links: runbook: "https://wiki.example.com/it", slo: {availability: 99.9, histogram: "own_seconds"}`, over: "slo.availability"},
		{field: "slo.failed", text: `metrics: port: 9090, links: runbook: "https://wiki.example.com/it", slo: {availability: 99.9, failed: "code=~\"5..\""}`, over: "slo.availability"},
		{field: "alerts", text: `metrics: port: 9090, links: runbook: "https://wiki.example.com/it", alerts: refused: {summary: "Customers are refused.", when: "sum(rate(refused_total{$own}[5m])) > 2"}`, over: "metrics.port"},
		{field: "alerts/minutes", text: `metrics: port: 9090, links: runbook: "https://wiki.example.com/it", alerts: refused: {summary: "Customers are refused.", when: "sum(rate(refused_total{$own}[5m])) > 2", minutes: 10}`, over: "alerts"},
		{field: "alerts/severity", text: `metrics: port: 9090, links: runbook: "https://wiki.example.com/it", alerts: refused: {summary: "Customers are refused.", when: "sum(rate(refused_total{$own}[5m])) > 2", severity: "page"}`, over: "alerts"},
		{field: "alerts/runbook", text: `metrics: port: 9090, links: runbook: "https://wiki.example.com/it", alerts: refused: {summary: "Customers are refused.", when: "sum(rate(refused_total{$own}[5m])) > 2", runbook: "https://wiki.example.com/refused"}`, over: "alerts"},
	}
}

// ownCases say what one path alone has.
func ownCases() []fieldCase {
	return []fieldCase{
		{field: "site.root", text: `site: root: "/www/"`},
		{field: "site.fallback", text: `site: fallback: "/index.html"`},
		{field: "site.notFound", text: `site: notFound: "/404.html"`},
		{field: "site.cache", text: `site: cache: "/assets/": "365d"`},
		{field: "site.headers", text: `site: headers: "X-Frame-Options": "DENY"`},
		{field: "manifests.folder", text: `manifests: folder: "manifests/other"`},
		{field: "chart.folder", text: `chart: folder: "chart/other"`},
		{field: "values", text: `values: replicas: 5`},
	}
}
