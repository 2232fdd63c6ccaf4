package folder_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/fairway-dev/fairway/pkg/git"
	"github.com/fairway-dev/fairway/pkg/git/folder"
)

func ExampleOpen() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	open := func() *git.Tree {
		tree, err := folder.Open(dir, folder.Options{})
		if err != nil {
			fmt.Println(err)
		}
		return tree
	}
	before := open()
	if err := os.WriteFile(filepath.Join(dir, "app.cue"), []byte("replicas: 2\n"), 0o644); err != nil {
		fmt.Println(err)
	}
	after := open()
	changes, err := git.Diff(before, after)
	if err != nil {
		fmt.Println(err)
	}
	for _, change := range changes {
		content, err := after.ReadFile(change.Path)
		fmt.Printf("%s %s %q %v\n", change.Path, change.After, content, err)
	}
	// Output: app.cue eb5c26739ea8767a00de3d6e1932c340ce323472 "replicas: 2\n" <nil>
}
