package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/kwok/pkg/apis/internalversion"
	"sigs.k8s.io/kwok/pkg/utils/patch"
	"sigs.k8s.io/yaml"
)

// addons are what stands in for the operators of a real cluster: the kinds
// they bring, and stages that say of their objects what the operator would.
type addons struct {
	crds   []*unstructured.Unstructured
	stages []*internalversion.Stage
}

// readAddons reads DIR/*/*.yaml, a folder an add-on. No folder is no add-ons.
func readAddons(dir string) (addons, error) {
	var a addons
	if dir == "" {
		return a, nil
	}
	if _, err := os.Stat(dir); err != nil {
		return a, fmt.Errorf("read add-ons: %w", err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*", "*.yaml"))
	if err != nil {
		return a, fmt.Errorf("read add-ons: %w", err)
	}
	var errs []error
	for _, file := range files {
		if err := a.readFile(file); err != nil {
			errs = append(errs, fmt.Errorf("read add-on %s: %w", file, err))
		}
	}
	return a, errors.Join(errs...)
}

func (a *addons) readFile(file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(data)))
	for {
		document, err := documents.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := a.add(document); err != nil {
			return err
		}
	}
}

// add takes one document. Anything but the two sorts is a mistake: an object
// that a cluster should have belongs in the platform, not in the lab.
func (a *addons) add(document []byte) error {
	var object map[string]any
	if err := yaml.Unmarshal(document, &object); err != nil {
		return err
	}
	if len(object) == 0 {
		return nil // nothing but comments
	}
	u := &unstructured.Unstructured{Object: object}
	switch u.GroupVersionKind() {
	case schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"}:
		if slices.ContainsFunc(a.crds, func(other *unstructured.Unstructured) bool { return other.GetName() == u.GetName() }) {
			return fmt.Errorf("CustomResourceDefinition %s: another file has it too", u.GetName())
		}
		a.crds = append(a.crds, u)
		return nil
	case schema.GroupVersionKind{Group: "kwok.x-k8s.io", Version: "v1alpha1", Kind: "Stage"}:
		stage, err := parseStage(string(document))
		a.stages = append(a.stages, stage)
		return err
	}
	return fmt.Errorf("%s %s: only CustomResourceDefinitions and Stages of kwok are expected", u.GroupVersionKind(), u.GetName())
}

// install writes the definitions. They are of use only later: see served.
func (a addons) install(ctx context.Context, client dynamic.Interface) error {
	definitions := client.Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
	errs := make([]error, len(a.crds))
	var wait sync.WaitGroup
	for i, crd := range a.crds {
		wait.Go(func() {
			if _, err := definitions.Apply(ctx, crd.GetName(), crd, metav1.ApplyOptions{FieldManager: labUser, Force: true}); err != nil {
				errs[i] = fmt.Errorf("install %s: %w", crd.GetName(), err)
			}
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}

// resources lists what the definitions define, in all versions that are served.
func (a addons) resources() []schema.GroupVersionResource {
	var all []schema.GroupVersionResource
	for _, crd := range a.crds {
		group, _, _ := unstructured.NestedString(crd.Object, "spec", "group")
		plural, _, _ := unstructured.NestedString(crd.Object, "spec", "names", "plural")
		versions, _, _ := unstructured.NestedSlice(crd.Object, "spec", "versions")
		for _, v := range versions {
			version, ok := v.(map[string]any)
			if name, _ := version["name"].(string); ok && version["served"] == true {
				all = append(all, schema.GroupVersionResource{Group: group, Version: name, Resource: plural})
			}
		}
	}
	return all
}

// served reports an error until everything the definitions define is listed by
// discovery, which it is once they are established, and described, without
// which kwok does not play it.
func (a addons) served(client kubernetes.Interface) func(context.Context) error {
	listed := false
	return func(context.Context) error {
		if !listed && len(a.crds) > 0 {
			if err := a.listed(client); err != nil {
				return err
			}
			listed = true
		}
		described := patch.NewPatchMetaFromOpenAPI3(client.Discovery().RESTClient())
		for _, gvr := range a.resources() {
			if _, err := described.Lookup(gvr); err != nil {
				return err
			}
		}
		return nil
	}
}

func (a addons) listed(client kubernetes.Interface) error {
	_, lists, err := client.Discovery().ServerGroupsAndResources()
	if err != nil {
		return err
	}
	found := map[schema.GroupVersionResource]bool{}
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return err
		}
		for _, r := range list.APIResources {
			found[gv.WithResource(r.Name)] = true
		}
	}
	for _, gvr := range a.resources() {
		if !found[gvr] {
			return &meta.NoResourceMatchError{PartialResource: gvr}
		}
	}
	return nil
}
