package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/csv"
	"fmt"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// An identity is somebody the API server knows by a token.
type identity struct {
	name       string
	groups     []string
	kubeconfig string // file in the plane's folder
	token      string
}

// The users people and programs outside the plane may be, and labUser, the
// supervisor's own: neither its waiting nor the nodes it plays appear under
// the name of a user whose requests somebody counts in the audit log.
const (
	adminUser   = "admin"
	fairwayUser = "fairway"
	labUser     = "fairway-lab"
)

// identities lists who may log in. The components that play the cluster are
// system:masters, which skips RBAC and priority and fairness, so that they
// start at once and no load of a test delays them. The user fairway is
// not, so that it meets the limits a daemon meets in production.
func identities() []identity {
	masters := []string{"system:masters"}
	return []identity{
		{name: adminUser, groups: masters, kubeconfig: "admin.kubeconfig"},
		{name: fairwayUser, groups: []string{fairwayUser}, kubeconfig: "fairway.kubeconfig"},
		{name: "system:" + controllerName, groups: masters, kubeconfig: componentKubeconfig(controllerName)},
		{name: "system:" + schedulerName, groups: masters, kubeconfig: componentKubeconfig(schedulerName)},
		{name: labUser, groups: masters, kubeconfig: componentKubeconfig(labUser)},
	}
}

func componentKubeconfig(component string) string { return "components/" + component + ".kubeconfig" }

// ensureTokens gives every identity the token it had in an earlier start, or
// a new one, and writes the API server's token file.
func ensureTokens(d dir) ([]identity, error) {
	data, err := d.read(tokenFile)
	if err != nil {
		return nil, fmt.Errorf("read the tokens of the plane: %w", err)
	}
	records, err := csv.NewReader(bytes.NewReader(data)).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("read the tokens in %s: %w", d.path(tokenFile), err)
	}
	known := map[string]string{}
	for _, record := range records {
		known[record[1]] = record[0]
	}
	all := identities()
	var file bytes.Buffer
	w := csv.NewWriter(&file)
	for i := range all {
		id := &all[i]
		if id.token = known[id.name]; id.token == "" {
			id.token = rand.Text()
		}
		if err := w.Write([]string{id.token, id.name, id.name, strings.Join(id.groups, ",")}); err != nil {
			return nil, fmt.Errorf("write the token of %s: %w", id.name, err)
		}
	}
	w.Flush()
	return all, d.write(tokenFile, file.Bytes())
}

// allowFairway binds the user fairway to cluster-admin: it may do everything,
// but through RBAC and priority and fairness as anybody else.
func allowFairway(ctx context.Context, client kubernetes.Interface) error {
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "fairway-lab:fairway"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: fairwayUser}},
	}
	_, err := client.RbacV1().ClusterRoleBindings().Create(ctx, binding, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("bind the user %s to cluster-admin: %w", fairwayUser, err)
	}
	return nil
}
