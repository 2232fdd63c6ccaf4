package forge

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
)

// Level is how bad what an annotation says is.
type Level string

// The levels of annotations.
const (
	LevelFailure Level = "failure"
	LevelWarning Level = "warning"
)

// Annotation is something to be read at a line of a file.
type Annotation struct {
	Path  string
	Line  int // the first is 1
	Level Level
	Title string // one line
	Text  string // plain, of one line or more
}

// Annotations are all that is said at the lines of a commit.
type Annotations struct {
	Name    string // which of ours, as the forge shows it. Example: "fairway/lines"
	Commit  string
	Summary string // one line
	URL     string // where more can be read; may be empty
	Lines   []Annotation
}

// Annotator is a Forge that shows what is said at lines, so that it is read beside them:
// GitHub, to Apps, and Gitea.
type Annotator interface {
	// Annotate has nothing of a name be said of a pull request but this, of its head. A
	// forge that does not let us is ErrNotFound.
	Annotate(ctx context.Context, number int, annotations Annotations) error
}

// MaxAnnotations is how many are shown: what GitHub takes in a request, and more than
// anybody reads.
const MaxAnnotations = 50

// Few leaves out what is beyond MaxAnnotations, warnings first, and says so in the summary.
func (a Annotations) Few() Annotations {
	more := len(a.Lines) - MaxAnnotations
	if more <= 0 {
		return a
	}
	worst := slices.Clone(a.Lines)
	slices.SortStableFunc(worst, func(a, b Annotation) int {
		switch {
		case a.Level == b.Level:
			return 0
		case a.Level == LevelFailure:
			return -1
		}
		return 1
	})
	a.Lines = worst[:MaxAnnotations]
	a.Summary = fmt.Sprintf("%s; %d more are not shown at their lines", a.Summary, more)
	return a
}

// Digest tells annotations apart by all that they say.
func (a Annotations) Digest() (string, error) {
	raw, err := json.Marshal(a)
	if err != nil {
		return "", fmt.Errorf("digest annotations: %w", err)
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:8]), nil
}
