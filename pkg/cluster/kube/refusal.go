package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairway-dev/fairway/pkg/cluster"
	"github.com/fairway-dev/fairway/pkg/object"
)

// refusal says what was attempted and why it did not work, in words of package
// cluster where there is one. What matches none is worth trying again later.
func refusal(doing string, err error) error { return refusalSaying(doing, err, err) }

// refusalSaying is refusal with other words for the same error.
func refusalSaying(doing string, err, words error) error {
	if sentinel := meaning(err); sentinel != nil {
		return fmt.Errorf("%s: %w: %w", doing, sentinel, words)
	}
	return fmt.Errorf("%s: %w", doing, words)
}

// refusalOf is refusal for one object. The server and its webhooks quote what
// they refuse, so of a secretive object only the fields are repeated.
func refusalOf(verb string, id object.ID, err error, secretive bool) error {
	doing := verb + " " + id.String()
	if absentNamespace(id, err) {
		return fmt.Errorf("%s: %w: %w", doing, cluster.ErrNotFound, err)
	}
	if status, ok := statusOf(err); ok && secretive {
		return refusalSaying(doing, err, &secretRefusal{status})
	}
	return refusal(doing, err)
}

// absentNamespace reports that the object asked for is a namespace, and is not
// there: the same answer means something else for the objects in it.
func absentNamespace(id object.ID, err error) bool {
	status, ok := statusOf(err)
	return ok && id.Group == "" && id.Kind == "Namespace" && apierrors.IsNotFound(err) &&
		status.Details != nil && status.Details.Kind == "namespaces" && status.Details.Name == id.Name
}

// secretRefusal is a server's Status told without the values in it.
type secretRefusal struct{ status metav1.Status }

func (e *secretRefusal) Status() metav1.Status { return e.status }

// webhookDenial begins the message of an admission webhook that says no. All
// else in such a Status is the webhook's own words.
const webhookDenial = "admission webhook "

func (e *secretRefusal) Error() string {
	if rest, ok := strings.CutPrefix(e.status.Message, webhookDenial); ok {
		name, _, _ := strings.Cut(rest, " ")
		return fmt.Sprintf("admission webhook %s denied the request (%d); what it says is not shown", name, e.status.Code)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%d)", e.status.Reason, e.status.Code)
	if e.status.Details != nil {
		for _, cause := range e.status.Details.Causes {
			fmt.Fprintf(&b, ", %s %s", cause.Field, cause.Type)
		}
	}
	return b.String() + "; what the cluster says of its values is not shown"
}

func meaning(err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return nil
	case unreachable(err):
		return cluster.ErrUnreachable
	case noNamespace(err):
		return cluster.ErrNoNamespace
	case apierrors.IsNotFound(err):
		return notFound(err)
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err), apierrors.IsGone(err), anotherUID(err):
		return cluster.ErrPrecondition
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err), apierrors.IsRequestEntityTooLargeError(err),
		apierrors.IsMethodNotSupported(err), untyped(err):
		return cluster.ErrInvalid
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return cluster.ErrForbidden
	}
	return nil
}

// anotherUID reports the server's complaint that the object which is there is not
// the one that was meant.
func anotherUID(err error) bool {
	status, ok := statusOf(err)
	return ok && apierrors.IsInvalid(err) && status.Details != nil && slices.ContainsFunc(status.Details.Causes, func(c metav1.StatusCause) bool {
		return c.Field == "metadata.uid"
	})
}

// notFound tells a missing object from a missing kind. Only the server's own
// Status naming an object is proof of absence; a bare 404, as a router or a
// vanished API group gives, says that the kind is not served.
func notFound(err error) error {
	status, ok := statusOf(err)
	if !ok || status.Details == nil {
		return cluster.ErrNoKind
	}
	details := status.Details
	if details.Name == "" || apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse) {
		return cluster.ErrNoKind
	}
	return cluster.ErrNotFound
}

func noNamespace(err error) bool {
	if apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		return true
	}
	status, ok := statusOf(err)
	if !ok || status.Details == nil || !apierrors.IsNotFound(err) {
		return false
	}
	return status.Details.Kind == "namespaces"
}

// untyped reports the server's complaint about a field that its schema does
// not have, which it sends as an internal error.
func untyped(err error) bool {
	return apierrors.IsInternalError(err) && strings.Contains(err.Error(), "failed to create typed patch object")
}

func unreachable(err error) bool {
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	if _, ok := errors.AsType[*url.Error](err); ok {
		return true
	}
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// statusOf gives the server's Status out of an error.
func statusOf(err error) (metav1.Status, bool) {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return metav1.Status{}, false
	}
	return status.Status(), true
}

func isNoKind(err error) bool { return errors.Is(err, cluster.ErrNoKind) }

func refusalIf(doing string, err error) error {
	if err == nil {
		return nil
	}
	return refusal(doing, err)
}
