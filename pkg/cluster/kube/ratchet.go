package kube

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/json"

	"github.com/fairway-dev/fairway/pkg/cluster"
)

// RatchetName is the ConfigMap, beside the inventory, that holds the ratchet.
const RatchetName = "fairway-revision"

// storeRatchet marks it. Of how it is written there are two formats: the second has units
// that wait for approval, and whoever does not know of these must not read it.
const (
	storeRatchet      = "revision"
	ratchetFormat     = "1"
	ratchetUnapproved = "2"
)

// maxSuperseded bounds how many replaced histories are remembered.
const maxSuperseded = 64

// LoadRatchet reads which revision the cluster was brought to. That nothing is
// recorded is an answer; what cannot be read for sure is an error.
func (c *Cluster) LoadRatchet(ctx context.Context) (cluster.Ratchet, error) {
	m := c.ratchets()
	a, err := do(ctx, c.client.short.Get().AbsPath(m.path(RatchetName)))
	if err = refusalIf("read the recorded revision", err); errors.Is(err, cluster.ErrNotFound) {
		return cluster.Ratchet{}, nil
	}
	if err != nil {
		return cluster.Ratchet{}, err
	}
	r, err := ratchetOf(a.body)
	if err != nil {
		return cluster.Ratchet{}, fmt.Errorf("read the recorded revision, ConfigMap %s/%s: %w", m.namespace, RatchetName, err)
	}
	return r, nil
}

// ratchetOf reads a ConfigMap's JSON. Anything that is not whole is an error: a
// ratchet that cannot be read holds.
func ratchetOf(body []byte) (cluster.Ratchet, error) {
	var m corev1.ConfigMap
	if err := json.Unmarshal(body, &m); err != nil {
		return cluster.Ratchet{}, fmt.Errorf("read answer of %d bytes: %w", len(body), err)
	}
	switch {
	case m.Kind != "ConfigMap" || m.Name != RatchetName || m.ResourceVersion == "":
		return cluster.Ratchet{}, fmt.Errorf("the answer is not the ConfigMap but a %q", m.Kind)
	case m.Annotations[formatAnnotation] != ratchetFormat && m.Annotations[formatAnnotation] != ratchetUnapproved:
		return cluster.Ratchet{}, fmt.Errorf("its format is %q and not %q or %q: a newer version wrote it", m.Annotations[formatAnnotation], ratchetFormat, ratchetUnapproved)
	}
	r := cluster.Ratchet{
		Revision: m.Data["revision"], Root: m.Data["root"], Branch: m.Data["branch"],
		Superseded: strings.Fields(m.Data["superseded"]), Version: m.ResourceVersion,
	}
	var err error
	if r.Unapproved, err = unapprovedOf(m.Data["unapproved"], m.Data["unapproved-since"]); err != nil {
		return cluster.Ratchet{}, err
	}
	commits := slices.Concat([]string{r.Revision}, r.Superseded, slices.Collect(maps.Keys(r.Unapproved)))
	for _, waits := range r.Unapproved {
		if waits.Before != "" {
			commits = append(commits, waits.Before)
		}
	}
	for _, commit := range commits {
		if raw, err := hex.DecodeString(commit); err != nil || len(raw) != 20 {
			return cluster.Ratchet{}, fmt.Errorf("%q is not a commit", commit)
		}
	}
	return r, nil
}

// SaveRatchet records a revision, if the record is still the one that r was made
// from, and gives the record with its new version. ErrPrecondition means that
// somebody else recorded one: read it and judge anew.
func (c *Cluster) SaveRatchet(ctx context.Context, r cluster.Ratchet) (cluster.Ratchet, error) {
	r.Superseded = r.Superseded[:min(len(r.Superseded), maxSuperseded)]
	data := map[string]string{
		"revision": r.Revision, "root": r.Root, "branch": r.Branch, "superseded": strings.Join(r.Superseded, "\n"),
		"unapproved": unapproved(r), "unapproved-since": unapprovedSince(r),
	}
	m := c.ratchets()
	if ledger := c.client.explain.ledger; ledger != nil && cluster.CauseOf(ctx) == nil {
		ctx = cluster.WithCause(ctx, ledger.Deed(ctx, cluster.Deed{
			Cluster: c.opts.Name, Object: m.path(RatchetName), Action: "patch",
			Reason: "records the revision the cluster is brought to", Revisions: []string{r.Revision},
		}))
	}
	var err error
	if r.Version != "" {
		r.Version, err = m.replace(ctx, r.Version, data)
		if !errors.Is(err, cluster.ErrNotFound) {
			return r, err
		}
	} // it was deleted by hand, and is put back
	r.Version, err = m.create(ctx, data)
	if errors.Is(err, cluster.ErrNoNamespace) {
		if err := m.createNamespace(ctx); err != nil {
			return r, err
		}
		r.Version, err = m.create(ctx, data)
	}
	return r, err
}

// unapprovedOf reads what waits for approval: a commit, the number of its pull request, and
// a unit in a line, and of commits that are one of several, beside them, the commit before
// the first. Anything else is an error.
func unapprovedOf(text, since string) (map[string]cluster.Unapproved, error) {
	var all map[string]cluster.Unapproved
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) != 3 {
			return nil, fmt.Errorf("%q is not a commit, a number and a unit", line)
		}
		pull, err := strconv.Atoi(fields[1])
		if err != nil {
			return nil, fmt.Errorf("%q is not the number of a pull request", fields[1])
		}
		if all == nil {
			all = map[string]cluster.Unapproved{}
		}
		all[fields[0]] = cluster.Unapproved{Pull: pull, Units: append(all[fields[0]].Units, fields[2])}
	}
	for line := range strings.Lines(since) {
		fields := strings.Fields(line)
		if len(fields) != 2 {
			return nil, fmt.Errorf("%q is not a commit and the one before", line)
		}
		if waits, there := all[fields[0]]; there {
			waits.Before = fields[1]
			all[fields[0]] = waits
		}
	}
	return all, nil
}

// unapprovedSince are the commits before those that wait, a line each.
func unapprovedSince(r cluster.Ratchet) string {
	var b strings.Builder
	for _, commit := range slices.Sorted(maps.Keys(r.Unapproved)) {
		if before := r.Unapproved[commit].Before; before != "" {
			fmt.Fprintf(&b, "%s %s\n", commit, before)
		}
	}
	return b.String()
}

// unapproved are the units that wait for approval, a line each.
func unapproved(r cluster.Ratchet) string {
	var b strings.Builder
	for _, commit := range slices.Sorted(maps.Keys(r.Unapproved)) {
		for _, unit := range r.Unapproved[commit].Units {
			fmt.Fprintf(&b, "%s %d %s\n", commit, r.Unapproved[commit].Pull, unit)
		}
	}
	return b.String()
}

// formatOf is the format that data needs.
func formatOf(data map[string]string) string {
	if data["unapproved"] != "" {
		return ratchetUnapproved
	}
	return ratchetFormat
}

func (c *Cluster) ratchets() ratchets {
	return ratchets{configMaps{client: c.client, namespace: c.opts.Namespace}}
}

// ratchets writes the one ConfigMap.
type ratchets struct{ configMaps }

func (m *ratchets) create(ctx context.Context, data map[string]string) (string, error) {
	const doing = "record the revision"
	body, err := json.Marshal(corev1.ConfigMap{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: metav1.ObjectMeta{
			Name: RatchetName, Labels: map[string]string{storeLabel: storeRatchet},
			Annotations: map[string]string{formatAnnotation: formatOf(data)},
		},
		Data: data,
	})
	if err != nil {
		return "", fmt.Errorf("%s: %w", doing, err)
	}
	a, err := do(ctx, m.client.short.Post().AbsPath(m.collection()).SetHeader("Accept", asMetadata).Body(body))
	if err != nil {
		return "", refusal(doing, err)
	}
	return a.version(doing)
}

func (m *ratchets) replace(ctx context.Context, version string, data map[string]string) (string, error) {
	const doing = "record the revision"
	body, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"resourceVersion": version, "annotations": map[string]string{formatAnnotation: formatOf(data)}},
		"data":     data,
	})
	if err != nil {
		return "", fmt.Errorf("%s: %w", doing, err)
	}
	a, err := do(ctx, m.client.patch(types.MergePatchType, m.path(RatchetName), body).SetHeader("Accept", asMetadata))
	if err != nil {
		return "", refusal(doing, err)
	}
	return a.version(doing)
}
