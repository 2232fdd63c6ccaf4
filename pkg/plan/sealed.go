package plan

import (
	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/pkg/secret"
)

// sealed gives the fields to compare a live object with. Of a sealed Secret nobody
// here knows the values: those that are live count as right where they are what
// was written, which a digest beside them tells, and as wrong else.
func sealed(id object.ID, live cluster.Live, desired *object.Object) map[string]any {
	fields := desired.Fields()
	names, ok := secret.Sealed(id, fields)
	if !ok {
		return fields
	}
	have, _ := live.Fields["data"].(map[string]any)
	data := make(map[string]any, len(names))
	for _, name := range names {
		if value, there := have[name]; there {
			data[name] = value
		}
	}
	if secret.Fingerprint(desired.Digest, data) != object.Annotation(live.Fields, object.AnnotationOpened) {
		for _, name := range names {
			data[name] = object.Masked
		}
	}
	delete(fields, "stringData")
	fields["data"] = data
	return fields
}
