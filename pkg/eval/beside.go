package eval

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/fairway-dev/fairway/pkg/diag"
	"github.com/fairway-dev/fairway/pkg/eval/protocol"
	"github.com/fairway-dev/fairway/pkg/git"
)

// listBeside finds the files in a service's folders that hold no CUE, by their
// path below the service's. Links and what else is no file are Faults, and so is
// more than can be looked at.
func listBeside(tree *git.Tree, pl place, entries []git.Entry) (found []git.Entry, faults []protocol.Fault, err error) {
	for _, e := range entries {
		if !slices.Contains(protocol.Folders(), e.Name) {
			continue
		}
		if e.Kind != git.Dir {
			faults = append(faults, *notAFolder(path.Join(pl.dir, e.Name), e))
			continue
		}
		if err := gatherBeside(tree, pl, e.Name, &found, &faults); err != nil {
			return nil, nil, err
		}
	}
	if len(found) > protocol.MaxBeside {
		faults = append(faults, protocol.Fault{
			Code: "too-many", Message: fmt.Sprintf("%d files stand beside the service; %d are the most", len(found), protocol.MaxBeside),
			Hint: "leave out what is not needed here",
		})
	}
	return found, faults, nil
}

func gatherBeside(tree *git.Tree, pl place, below string, found *[]git.Entry, faults *[]protocol.Fault) error {
	dir := path.Join(pl.dir, below)
	entries, err := tree.ReadDir(dir)
	if errors.Is(err, git.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(below, e.Name)
		switch {
		case e.Kind == git.Dir && strings.Count(name, "/") >= protocol.MaxDepth:
			*faults = append(*faults, protocol.Fault{
				Code: "too-deep", Pos: diag.Position{File: path.Join(pl.dir, name)}, Message: fmt.Sprintf("folders are nested more than %d deep", protocol.MaxDepth),
				Hint: "put the files nearer to the service",
			})
		case e.Kind == git.Dir:
			if err := gatherBeside(tree, pl, name, found, faults); err != nil {
				return err
			}
		case strings.HasSuffix(e.Name, ".cue"): // reported as a stray file
		default:
			if fault := notAFile(path.Join(pl.dir, name), e); fault != nil {
				*faults = append(*faults, *fault)
				continue
			}
			e.Name = name
			*found = append(*found, e)
		}
	}
	return nil
}

// notAFolder is for a link or a file where a folder is looked for.
func notAFolder(name string, e git.Entry) *protocol.Fault {
	return &protocol.Fault{
		Code: "not-a-folder", Pos: diag.Position{File: name}, Message: fmt.Sprintf("%s is a %s", path.Base(name), e.Kind),
		Hint: "make it an ordinary folder: links and submodules are never followed",
	}
}

// apart divides a declaration's files into its CUE and what stands beside it.
func apart(files map[string]string) (cue, beside map[string]string) {
	cue = make(map[string]string, len(files))
	for name, text := range files {
		if !strings.Contains(name, "/") {
			cue[name] = text
			continue
		}
		if beside == nil {
			beside = map[string]string{}
		}
		beside[name] = text
	}
	return cue, beside
}
