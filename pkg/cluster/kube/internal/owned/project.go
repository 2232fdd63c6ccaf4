package owned

// Project gives the part of an object that a manager owns, together with the
// object's identity, which nobody owns, so that it compares with desired
// fields. The stamps of an apply (commit and digest) are left out. Values are
// shared with the object. It is nil where the manager owns nothing.
func Project(fields map[string]any, manager string) map[string]any {
	t, ok := ours(fields, manager)
	if !ok {
		return nil
	}
	out := projectFields(fields, t, 0) // an empty set owns nothing here, not the whole object
	identify(out, fields)
	return out
}

func identify(out, fields map[string]any) {
	for _, key := range []string{"apiVersion", "kind"} {
		if v, ok := fields[key]; ok {
			out[key] = v
		}
	}
	meta, _ := fields["metadata"].(map[string]any)
	into, ok := out["metadata"].(map[string]any)
	if !ok {
		into = map[string]any{}
		out["metadata"] = into
	}
	for _, key := range []string{"name", "namespace"} {
		if v, ok := meta[key]; ok {
			into[key] = v
		}
	}
}

func project(v any, t tree, depth int) any {
	if whole(t) {
		return projectWhole(v, depth)
	}
	switch v := v.(type) {
	case map[string]any:
		return projectFields(v, t, depth)
	case []any:
		out := []any{}
		for _, m := range matches(nil, v, t) {
			out = append(out, project(v[m.index], m.below, notAnnotations))
		}
		return out
	}
	return v
}

func projectFields(m map[string]any, t tree, depth int) map[string]any {
	out := make(map[string]any, len(t))
	for _, name := range names(nil, t) {
		child, there := m[name]
		if there && !(depth == 2 && stamp(name)) {
			out[name] = project(child, under(t, name), below(depth, name))
		}
	}
	return out
}

func projectWhole(v any, depth int) any {
	m, ok := v.(map[string]any)
	if !ok || depth != 2 {
		return v
	}
	out := make(map[string]any, len(m))
	for k, e := range m {
		if !stamp(k) {
			out[k] = e
		}
	}
	return out
}
