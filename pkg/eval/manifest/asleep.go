package manifest

// lull has an object run nothing, as those of golden paths run nothing in an
// environment that sleeps: no copies, no runs, and nothing that would start any. What
// guards or finds pods stays as it is, so that nothing is deleted for a night.
func lull(fields map[string]any) {
	switch fields["kind"] {
	case "Deployment", "StatefulSet", "Rollout":
		within(fields, "spec")["replicas"] = int64(0) // which also has an autoscaler leave it alone
	case "CronJob":
		within(fields, "spec")["suspend"] = true
	case "ScaledObject":
		within(within(fields, "metadata"), "annotations")["autoscaling.keda.sh/paused-replicas"] = "0"
	}
}

// within gives the fields below a name, which are made where there are none.
func within(fields map[string]any, name string) map[string]any {
	below, ok := fields[name].(map[string]any)
	if !ok {
		below = map[string]any{}
		fields[name] = below
	}
	return below
}
