package object

// The labels and annotations the engine itself writes and trusts. Every other
// label comes from the platform's CUE.
const (
	// LabelManagedBy marks what a reconciler may look at; it never decides ownership.
	LabelManagedBy = "app.kubernetes.io/managed-by"
	// ManagedBy is the value of LabelManagedBy.
	ManagedBy = "fairway"
	// LabelTeam names the team that a namespace belongs to.
	LabelTeam = "fairway.dev/team"
	// AnnotationUnit names the owning unit. Example: "prod/prod-eu/checkout".
	AnnotationUnit = "fairway.dev/unit"
	// AnnotationSource is the file that declares the unit. Example: "teams/shop/checkout/service.cue".
	AnnotationSource = "fairway.dev/source"
	// AnnotationCommit is the commit whose apply last wrote the object. It is
	// set at apply and is no part of the desired bytes.
	AnnotationCommit = "fairway.dev/commit"
	// AnnotationDigest is the digest of the desired bytes last applied. It is
	// set at apply and is no part of the desired bytes.
	AnnotationDigest = "fairway.dev/digest"
	// AnnotationLock set to "true" keeps an object from being deleted without
	// consent, whoever wrote it: the platform's CUE, or a person with kubectl.
	AnnotationLock = "fairway.dev/lock"
	// AnnotationSealed marks a Secret whose values are encrypted until it is written,
	// and names the file they stand in. Example: "teams/shop/orders/secrets.prod.sops.yaml".
	AnnotationSealed = "fairway.dev/sealed"
	// AnnotationOpened is a digest of what a sealed Secret was written with, salted with
	// its AnnotationDigest. It is set at apply and is no part of the desired bytes.
	AnnotationOpened = "fairway.dev/opened"
	// AnnotationOnce set to "true" on a hook has it run once for what it is made of, and
	// again where that changes or a run failed, instead of at every sync.
	AnnotationOnce = "fairway.dev/once"
	// AnnotationSensitive, with the value "true", marks an object whose values are
	// never shown, as those of a Secret are not.
	AnnotationSensitive = "fairway.dev/sensitive"
)

// Locked reports whether an object's own annotations ask that it is never
// deleted without consent.
func Locked(fields map[string]any) bool { return Annotation(fields, AnnotationLock) == "true" }

// Protected reports whether objects of this kind are never deleted without
// consent: deleting one takes other people's objects or data with it.
func Protected(id ID) bool {
	switch id.Group + "/" + id.Kind {
	case "/Namespace", "/PersistentVolume", "/PersistentVolumeClaim",
		"postgresql.cnpg.io/Cluster", "rabbitmq.com/RabbitmqCluster", "objectbucket.io/ObjectBucketClaim",
		"cluster.x-k8s.io/Cluster",
		"apiextensions.k8s.io/CustomResourceDefinition",
		"apiregistration.k8s.io/APIService",
		"rbac.authorization.k8s.io/ClusterRole", "rbac.authorization.k8s.io/ClusterRoleBinding",
		"admissionregistration.k8s.io/ValidatingWebhookConfiguration",
		"admissionregistration.k8s.io/MutatingWebhookConfiguration",
		"admissionregistration.k8s.io/ValidatingAdmissionPolicy",
		"admissionregistration.k8s.io/ValidatingAdmissionPolicyBinding",
		"scheduling.k8s.io/PriorityClass", "storage.k8s.io/StorageClass",
		"snapshot.storage.k8s.io/VolumeSnapshotClass":
		return true
	}
	return false
}
