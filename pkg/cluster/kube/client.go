package kube

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// asMetadata asks the server to send an object without its content.
const asMetadata = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"

// asMetadataList asks the same of a list.
const asMetadataList = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

// client sends requests to the API server: short ones as bytes, watches as
// decoded objects.
type client struct {
	short    rest.Interface
	http     *http.Client
	streams  dynamic.Interface
	stream   *http.Client
	requests *requests
	explain  explain
	patience *Patience
}

func newClient(cfg *rest.Config, opts Options) (*client, error) {
	c := &client{requests: &requests{by: map[string]int64{}, guard: opts.Guard}, explain: explain{opts.Name, opts.Ledger}, patience: opts.Patience}
	scheme := runtime.NewScheme()
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
	short := requestConfig(cfg, opts.Timeout)
	short.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	var err error
	if c.http, err = c.transport(short); err != nil {
		return nil, err
	}
	if c.short, err = rest.UnversionedRESTClientForConfigAndClient(short, c.http); err != nil {
		return nil, err
	}
	watches := watchConfig(cfg)
	if c.stream, err = c.transport(watches); err != nil {
		return nil, err
	}
	c.streams, err = dynamic.NewForConfigAndClient(watches, c.stream)
	return c, err
}

func (c *client) transport(cfg *rest.Config) (*http.Client, error) {
	cfg.Wrap(c.explain.wrap) // within the guard: what is not sent is not taken down
	cfg.Wrap(c.requests.wrap)
	cfg.Wrap(c.patience.wrap) // outermost: who waits asks the guard afterwards
	return rest.HTTPClientFor(cfg)
}

func (c *client) close() {
	c.http.CloseIdleConnections()
	c.stream.CloseIdleConnections()
}

// answer is what came back for a request that succeeded.
type answer struct {
	body   []byte
	status int
}

// do sends a request and gives its whole body. The error is the server's
// Status where there is one.
func do(ctx context.Context, r *rest.Request) (answer, error) {
	res := r.Do(ctx)
	if err := res.Error(); err != nil {
		return answer{}, err
	}
	var a answer
	res.StatusCode(&a.status)
	body, err := res.Raw()
	a.body = body
	return a, err
}

// fields reads an answer as the object it must be. An answer of another kind,
// an HTML page or a cut-off body is an error and never an empty object.
func (a answer) fields() (map[string]any, error) {
	var fields map[string]any
	if err := json.Unmarshal(a.body, &fields); err != nil {
		return nil, fmt.Errorf("read answer of %d bytes: %w", len(a.body), err)
	}
	if fields == nil {
		return nil, errors.New("read answer: it is empty")
	}
	return fields, nil
}

// metadata reads an object's metadata, consistently.
func (c *client) metadata(ctx context.Context, path string) (*metav1.PartialObjectMetadata, error) {
	a, err := do(ctx, c.short.Get().AbsPath(path).SetHeader("Accept", asMetadata))
	if err != nil {
		return nil, err
	}
	return a.metadata()
}

func (a answer) metadata() (*metav1.PartialObjectMetadata, error) {
	var out metav1.PartialObjectMetadata
	if err := json.Unmarshal(a.body, &out); err != nil {
		return nil, fmt.Errorf("read answer of %d bytes: %w", len(a.body), err)
	}
	if out.Kind != "PartialObjectMetadata" || out.Name == "" || out.UID == "" || out.ResourceVersion == "" {
		return nil, fmt.Errorf("read answer: it is no object's metadata but a %q", out.Kind)
	}
	return &out, nil
}

// metadataPage reads one page of a list of metadata. An answer that is not
// such a list is an error.
func (c *client) metadataPage(ctx context.Context, path, next string) (*metav1.PartialObjectMetadataList, error) {
	r := c.short.Get().AbsPath(path).SetHeader("Accept", asMetadataList).Param("limit", "500")
	if next != "" {
		r = r.Param("continue", next)
	}
	a, err := do(ctx, r)
	if err != nil {
		return nil, err
	}
	var out metav1.PartialObjectMetadataList
	if err := json.Unmarshal(a.body, &out); err != nil {
		return nil, fmt.Errorf("read page of %d bytes: %w", len(a.body), err)
	}
	if out.Kind != "PartialObjectMetadataList" || out.ResourceVersion == "" {
		return nil, fmt.Errorf("read page: it is no list of metadata but a %q", out.Kind)
	}
	if out.RemainingItemCount != nil && *out.RemainingItemCount > 0 && out.Continue == "" {
		return nil, fmt.Errorf("read page: %d items are missing", *out.RemainingItemCount)
	}
	return &out, nil
}

// patch sends a patch and gives the object as the server left it.
func (c *client) patch(kind types.PatchType, path string, body []byte) *rest.Request {
	return c.short.Patch(kind).AbsPath(path).Body(body)
}
