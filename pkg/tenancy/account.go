package tenancy

import "fmt"

// The names of what makes the cluster refuse. Changing one is a migration.
const (
	// Deployer is the service account in each team's namespace in whose name the
	// namespace's services are written. Nobody has a token of it.
	Deployer = "fairway-deployer"
	// TeamRole is the cluster role that says what a Deployer may write.
	TeamRole = "fairway-team"
	// DaemonRole is the cluster role that says what the daemon itself may do.
	DaemonRole = "fairway-reconciler"
	// SystemNamespace is where the daemon keeps its inventory and its lease on a
	// cluster, and what the name of any other it may keep them in begins with.
	SystemNamespace = "fairway-system"
)

const rbacGroup = "rbac.authorization.k8s.io"

// Account is the user name of a namespace's Deployer, as Kubernetes spells it.
// Example: "system:serviceaccount:shop-prod:fairway-deployer".
func Account(namespace string) (string, error) {
	if why := Reserved(namespace); why != "" {
		return "", fmt.Errorf("write as the account of namespace %q: %s", namespace, why)
	}
	if !isName(namespace) {
		return "", fmt.Errorf("write as the account of namespace %q: it is no name", namespace)
	}
	return "system:serviceaccount:" + namespace + ":" + Deployer, nil
}
