package kube

import (
	"context"
	"errors"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/cluster/kube/internal/owned"
	"github.com/fairway-dev/fairway/pkg/object"
)

// Get reads one object, consistently: what it returns was so after the call
// began, and ErrNotFound is proof of absence.
func (c *Cluster) Get(ctx context.Context, id object.ID, unit string) (cluster.Live, error) {
	res, err := c.locate(ctx, "read", id, Kind{Group: id.Group, Kind: id.Kind})
	if err != nil {
		return cluster.Live{}, err
	}
	a, err := do(ctx, c.client.short.Get().AbsPath(res.path(id)))
	if err != nil {
		return cluster.Live{}, c.refuseRead(id, res, err)
	}
	fields, err := a.objectOf(id, false)
	if err != nil {
		return cluster.Live{}, fmt.Errorf("read %s: %w", id, err)
	}
	return c.live(id, fields, unit), nil
}

func (c *Cluster) refuseRead(id object.ID, res resource, err error) error {
	err = refusalOf("read", id, err, c.index.secretive(id))
	if isNoKind(err) {
		c.kinds.forget(res.Kind)
	}
	return err
}

// objectOf reads an answer as the object that was asked for, and refuses every other.
// Only what a dry run would create has no resourceVersion.
func (a answer) objectOf(id object.ID, dryRun bool) (map[string]any, error) {
	fields, err := a.fields()
	if err != nil {
		return nil, err
	}
	meta, _ := fields["metadata"].(map[string]any)
	kind, _ := fields["kind"].(string)
	name, _ := meta["name"].(string)
	namespace, _ := meta["namespace"].(string)
	uid, _ := meta["uid"].(string)
	version, _ := meta["resourceVersion"].(string)
	switch {
	case kind != id.Kind || name != id.Name || namespace != id.Namespace:
		return nil, fmt.Errorf("read answer: it is %s %s/%s", kind, namespace, name)
	case uid == "":
		return nil, errors.New("read answer: it has no uid")
	case version == "" && !dryRun:
		return nil, errors.New("read answer: it has no resourceVersion")
	}
	return fields, nil
}

func (c *Cluster) live(id object.ID, fields map[string]any, unit string) cluster.Live {
	meta, _ := fields["metadata"].(map[string]any)
	uid, _ := meta["uid"].(string)
	version, _ := meta["resourceVersion"].(string)
	by := manager(unit)
	mark, _ := c.index.hasher.Mark(fields, by)
	out := cluster.Live{
		ID: id, UID: uid, ResourceVersion: version, Fields: fields, Mark: mark,
		Owned: owned.Project(fields, by), Others: owned.Others(fields, by),
	}
	delete(meta, "managedFields")
	return out
}

// Absent says which of some objects exist already, foreign ones included,
// before they are created. The reads are consistent; the set is unknown unless
// every one of them was whole.
func (c *Cluster) Absent(ctx context.Context, ids []object.ID) object.Set[object.ID, cluster.Entry] {
	type place struct{ group, kind, namespace string }
	wanted := map[place][]object.ID{}
	for _, id := range ids {
		p := place{id.Group, id.Kind, id.Namespace}
		wanted[p] = append(wanted[p], id)
	}
	found := map[object.ID]cluster.Entry{}
	for _, group := range wanted {
		if err := c.existing(ctx, group, found); err != nil {
			return object.Unknown[object.ID, cluster.Entry](err)
		}
	}
	return object.Known(found)
}

// existing finds which objects of one kind and namespace exist: one by a GET,
// several by one LIST, both without content.
func (c *Cluster) existing(ctx context.Context, ids []object.ID, found map[object.ID]cluster.Entry) error {
	id := ids[0]
	res, err := c.locate(ctx, "look for", id, Kind{Group: id.Group, Kind: id.Kind})
	if err != nil {
		return err
	}
	if len(ids) > 1 {
		return c.existingByList(ctx, res, ids, found)
	}
	meta, err := c.client.metadata(ctx, res.path(id))
	if err != nil {
		if err = c.refuseRead(id, res, err); errors.Is(err, cluster.ErrNotFound) {
			return nil
		}
		return err
	}
	if meta.Name != id.Name || meta.Namespace != id.Namespace {
		return fmt.Errorf("look for %s: answer is about %s/%s", id, meta.Namespace, meta.Name)
	}
	found[id] = entryOf(meta)
	return nil
}

func (c *Cluster) existingByList(ctx context.Context, res resource, ids []object.ID, found map[object.ID]cluster.Entry) error {
	wanted := make(map[object.ID]bool, len(ids))
	for _, id := range ids {
		if err := res.checkScope(id); err != nil {
			return fmt.Errorf("look for: %w", err)
		}
		wanted[id] = true
	}
	next := ""
	for {
		page, err := c.client.metadataPage(ctx, res.collection(ids[0].Namespace), next)
		if err != nil {
			return c.refuseRead(ids[0], res, err)
		}
		for i := range page.Items {
			meta := &page.Items[i]
			if meta.Name == "" || meta.UID == "" {
				return fmt.Errorf("list %s: an item has no name or no uid", res.Kind)
			}
			id := object.ID{Group: ids[0].Group, Kind: ids[0].Kind, Namespace: meta.Namespace, Name: meta.Name}
			if wanted[id] {
				found[id] = entryOf(meta)
			}
		}
		if next = page.Continue; next == "" {
			return nil
		}
	}
}

func entryOf(meta *metav1.PartialObjectMetadata) cluster.Entry {
	return cluster.Entry{
		UID: string(meta.UID), ResourceVersion: meta.ResourceVersion,
		Unit: meta.Annotations[object.AnnotationUnit], Commit: meta.Annotations[object.AnnotationCommit],
		Applied: digestOf(meta.Annotations[object.AnnotationDigest]), Deleting: meta.DeletionTimestamp != nil,
		Locked: meta.Annotations[object.AnnotationLock] == "true",
	}
}

// digestOf reads a digest that anyone may have written; garbage is no digest.
func digestOf(text string) object.Digest {
	var d object.Digest
	if d.UnmarshalText([]byte(text)) != nil {
		return object.Digest{}
	}
	return d
}
