package forge_test

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/fairway-dev/fairway/pkg/forge"
	"github.com/fairway-dev/fairway/pkg/forge/rest"
	"github.com/fairway-dev/fairway/pkg/object"
	"github.com/fairway-dev/fairway/test/forge/contract"
)

// members are those of a set that has to be known, in the order of its keys.
func members[K interface{ ~int | ~string }, V any](t *testing.T, set object.Set[K, V]) []V {
	t.Helper()
	all, known := set.Members()
	if !known {
		t.Fatalf("unknown: %v", set.Why())
	}
	out := make([]V, 0, len(all))
	for _, key := range slices.Sorted(maps.Keys(all)) {
		out = append(out, all[key])
	}
	return out
}

func want(t *testing.T, what string, got, want any, opts ...cmp.Option) {
	t.Helper()
	if diff := cmp.Diff(want, got, append(opts, cmpopts.EquateEmpty())...); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestPulls(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		f := w.forge(t)
		want(t, "no pull requests", members(t, f.Pulls(t.Context(), "main")), []forge.PullRequest{})

		head := w.push("topic/one", map[string]*string{"a.txt": text("a\n")})
		one := w.open("topic/one", "First thing")
		w.label("dev", one, "preview", true)
		w.push("two", map[string]*string{"b.txt": text("b\n")})
		two := w.open("two", "Second thing")
		w.shut(two)
		w.push("three", map[string]*string{"c.txt": text("c\n")})
		three := w.open("three", "Third thing")

		got := members(t, f.Pulls(t.Context(), "main"))
		if len(got) != 2 || got[0].Number != one || got[1].Number != three {
			t.Fatalf("open pull requests are %+v; want %d and %d", got, one, three)
		}
		want(t, "the first", got[0], forge.PullRequest{
			Number: one, Title: "First thing", Author: "dev", State: forge.Open, Labels: []string{"preview"},
			Head: forge.Head{Branch: "topic/one", Commit: head, Repository: got[0].Head.Repository}, Base: forge.Base{Branch: "main"},
		}, cmpopts.IgnoreFields(forge.PullRequest{}, "URL", "Updated", "Created", "Mergeable", "Files"), cmpopts.IgnoreFields(forge.Base{}, "Commit"))
		if got[0].URL == "" || got[0].Updated.IsZero() || got[0].Created.IsZero() || got[0].Head.Repository == "" {
			t.Errorf("page, times or repository is missing: %+v", got[0])
		}
		want(t, "pull requests into another branch", members(t, f.Pulls(t.Context(), "release")), []forge.PullRequest{})

		closed, err := f.Pull(t.Context(), two)
		if err != nil || closed.State != forge.Closed {
			t.Errorf("the one that was closed: %+v, %v", closed, err)
		}
		if _, err := f.Pull(t.Context(), 4711); !errors.Is(err, forge.ErrNotFound) {
			t.Errorf("a pull request that there is not: %v", err)
		}
		next := w.push("topic/one", map[string]*string{"a.txt": text("aa\n")})
		if now, err := f.Pull(t.Context(), one); err != nil || now.Head.Commit != next {
			t.Errorf("after a push the head is %s, want %s (%v)", now.Head.Commit, next, err)
		}
	})
}

func TestManyPulls(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		var opened []int
		for i := range w.three {
			branch := "topic" + string(rune('a'+i%26)) + strings.Repeat("x", i/26)
			w.push(branch, map[string]*string{branch: text("1\n")})
			opened = append(opened, w.open(branch, "Thing "+branch))
		}
		var got []int
		for _, p := range members(t, w.forge(t).Pulls(t.Context(), "main")) {
			got = append(got, p.Number)
		}
		want(t, "open pull requests", got, opened)
		liesOfPages(t, w)
	})
}

func TestFiles(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		long := strings.Repeat("a line that is long enough to be known again\n", 20)
		w.push("main", map[string]*string{"stays.txt": text("1\n"), "goes.txt": text("2\n"), "old/name.txt": text(long), "changes.txt": text("3\n")})
		w.push("topic", map[string]*string{
			"goes.txt": nil, "old/name.txt": nil, "new/name.txt": text(long), "changes.txt": text("4\n"), "ümläut dir/new?.txt": text("5\n"),
		})
		n := w.open("topic", "Files")
		w.push("main", map[string]*string{"elsewhere.txt": text("6\n")})
		f := w.forge(t)
		pull, err := f.Pull(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		want(t, "files", members(t, f.Files(t.Context(), pull)), []forge.File{
			{Path: "changes.txt", Happened: forge.Changed},
			{Path: "goes.txt", Happened: forge.Removed},
			{Path: "new/name.txt", Old: "old/name.txt", Happened: forge.Renamed},
			{Path: "ümläut dir/new?.txt", Happened: forge.Added},
		})
		w.push("topic", map[string]*string{"more.txt": text("7\n")})
		if set := f.Files(t.Context(), pull); !errors.Is(set.Why(), forge.ErrMoved) {
			t.Errorf("files of a head that moved: %v", set.Why())
		}
	})
}

func TestReviews(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		first := w.push("topic", map[string]*string{"a.txt": text("1\n")})
		n := w.open("topic", "Reviewed")
		f := w.forge(t)
		want(t, "no reviews", members(t, f.Reviews(t.Context(), n)), []forge.Review{})
		w.review("fairway", n, "APPROVED")
		second := w.push("topic", map[string]*string{"a.txt": text("2\n")})
		w.review("reader", n, "CHANGES_REQUESTED")
		got := members(t, f.Reviews(t.Context(), n))
		for i, r := range got {
			if r.Time.IsZero() && (w.kind != "gitlab" || r.Verdict == forge.Approved) {
				t.Errorf("the review of %s has no time", r.Author)
			}
			got[i].Time = time.Time{}
		}
		approved, rejected := forge.Review{Author: "fairway", Verdict: forge.Approved, Commit: first}, forge.Review{Author: "reader", Verdict: forge.Rejected, Commit: second}
		if w.kind == "gitlab" { // it tells neither the commit nor the time of this one
			rejected.Commit = ""
			want(t, "reviews", got, []forge.Review{rejected, approved})
			return
		}
		want(t, "reviews", got, []forge.Review{approved, rejected})
	})
}

func TestStatuses(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		commit := w.push("topic", map[string]*string{"a.txt": text("1\n")})
		f := w.forge(t)
		set := func(context string, state forge.StatusState, description string) {
			t.Helper()
			err := f.SetStatus(t.Context(), commit, forge.Status{Context: context, State: state, Description: description, URL: "https://example.com/" + context})
			if err != nil {
				t.Fatal(err)
			}
		}
		want(t, "no statuses", members(t, f.Statuses(t.Context(), commit)), []forge.Status{})
		w.sent()
		set("fairway/vet", forge.Success, "all is well")
		set("fairway/plan", forge.Pending, "planning")
		if sent := w.sent(); len(sent) != 2 {
			t.Errorf("two statuses took %v", sent)
		}
		set("fairway/vet", forge.Success, "all is well")
		set("fairway/plan", forge.Pending, "planning")
		if sent := w.sent(); len(sent) != 0 {
			t.Errorf("statuses that say the same were sent: %v", sent)
		}
		set("fairway/plan", forge.Failure, "it breaks a policy: "+strings.Repeat("ä", 300))
		got := members(t, f.Statuses(t.Context(), commit))
		if len(got) != 2 || !strings.HasPrefix(got[0].Description, "it breaks a policy: ää") || !strings.HasSuffix(got[0].Description, "…") {
			t.Fatalf("statuses are %+v", got)
		}
		got[0].Description = ""
		want(t, "statuses", got, []forge.Status{
			{Context: "fairway/plan", State: forge.Failure, URL: "https://example.com/fairway/plan"},
			{Context: "fairway/vet", State: forge.Success, Description: "all is well", URL: "https://example.com/fairway/vet"},
		})
		set("fairway/plan", forge.Pending, "again")
		set("fairway/plan", forge.Pending, "and again")
		if got := members(t, f.Statuses(t.Context(), commit)); got[0].State != forge.Pending {
			t.Errorf("the status is %+v", got[0])
		}
		if err := f.SetStatus(t.Context(), strings.Repeat("0", 40), forge.Status{Context: "a", State: forge.Success}); err == nil {
			t.Error("a status of no commit was set")
		}
	})
}

func TestLabels(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.push("topic", map[string]*string{"a.txt": text("1\n")})
		n := w.open("topic", "Labelled")
		f := w.forge(t)
		want(t, "no events", members(t, f.LabelEvents(t.Context(), n)), []forge.LabelEvent{})
		w.label("dev", n, "preview", true)
		w.say("reader", n, "please")
		w.label("dev", n, "preview", false)
		w.label("fairway", n, "preview", true)
		w.label("dev", n, "other", true)
		if err := f.RemoveLabel(t.Context(), n, "preview"); err != nil {
			t.Fatal(err)
		}
		w.sent()
		if err := f.RemoveLabel(t.Context(), n, "preview"); err != nil {
			t.Errorf("a label that is not on: %v", err)
		}
		got := members(t, f.LabelEvents(t.Context(), n))
		for i := range got {
			if got[i].Time.IsZero() {
				t.Errorf("event %d has no time", i)
			}
			got[i].Time = time.Time{}
		}
		want(t, "events", got, []forge.LabelEvent{
			{Label: "preview", Actor: "dev", Added: true},
			{Label: "preview", Actor: "dev"},
			{Label: "preview", Actor: "fairway", Added: true},
			{Label: "other", Actor: "dev", Added: true},
			{Label: "preview", Actor: "fairway"},
		})
		pull, err := f.Pull(t.Context(), n)
		want(t, "labels", pull.Labels, []string{"other"})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestAccess(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		f := w.forge(t)
		for user, may := range map[string]forge.Access{"fairway": forge.AccessAdmin, "dev": forge.AccessWrite, "reader": forge.AccessRead, "stranger": forge.AccessNone} {
			if got, err := f.Access(t.Context(), user); err != nil || got != may {
				t.Errorf("%s may %s (%v), want %s", user, got, err, may)
			}
		}
		for _, user := range []string{"nobody", "dev/../fairway", "dev?x=", "../fairway"} {
			if got, err := f.Access(t.Context(), user); err == nil || got != forge.AccessNone {
				t.Errorf("%q may %s (%v)", user, got, err)
			}
		}
	})
}

// TestMember: who is in a group, and nobody is in one that is not there.
func TestMember(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for _, name := range []string{"first", "leads", "third", "fourth"} { // more than a page of groups
			w.join("acme/"+name, "reader")
		}
		w.join("acme/leads", "dev")
		f := w.forge(t)
		for _, c := range []struct {
			group, user string
			in          bool
		}{
			{"acme/leads", "dev", true}, {"acme/leads", "reader", true}, {"acme/third", "dev", false}, {"acme/leads", "stranger", false},
			{"acme/none", "dev", false}, {"none/leads", "dev", false}, {"acme/leads", "nobody", false}, {"leads", "dev", false},
			{"acme/leads", "../dev", false}, {"../acme/leads", "dev", false}, {"acme/leads/..", "dev", false},
		} {
			if in, err := f.Member(t.Context(), c.group, c.user); err != nil || in != c.in {
				t.Errorf("%q in %q: %v (%v), want %v", c.user, c.group, in, err, c.in)
			}
		}
		w.breaks(contract.Always(http.StatusInternalServerError, "application/json", "{}"))
		f = w.connect(t, rest.Options{Tries: 1})
		if in, err := f.Member(t.Context(), "acme/leads", "dev"); err == nil || in {
			t.Errorf("a forge that fails says %v (%v)", in, err)
		}
	})
}

func TestComment(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.push("topic", map[string]*string{"a.txt": text("1\n")})
		n := w.open("topic", "Commented")
		f := w.forge(t)
		const mark = "<!-- fairway:report -->\n"
		w.say("dev", n, mark+"I am not you")
		comment := func(body string) {
			t.Helper()
			if err := f.Comment(t.Context(), n, forge.Comment{Marker: "report", Body: body, Link: "https://example.com/all"}); err != nil {
				t.Fatal(err)
			}
		}
		w.sent()
		comment("one\n\n* point\n")
		if sent := w.sent(); len(sent) != 1 {
			t.Errorf("the first comment took %v", sent)
		}
		comment("one\n\n* point\n")
		if sent := w.sent(); len(sent) != 0 {
			t.Errorf("a comment that says the same was sent: %v", sent)
		}
		comment("two")
		want(t, "comments", trimmed(w.said(n)), []string{"dev: " + mark + "I am not you", "fairway: " + mark + "two"})

		w.say("fairway", n, mark+"three, by a second daemon")
		w.say("fairway", n, "by hand")
		comment("two")
		want(t, "comments", trimmed(w.said(n)), []string{"dev: " + mark + "I am not you", "fairway: " + mark + "two", "fairway: by hand"})

		if err := f.Comment(t.Context(), n, forge.Comment{Marker: "a --> b", Body: "x"}); err == nil {
			t.Error("a marker that ends its HTML comment was taken")
		}
		comment("<details>\n\n```diff\n" + strings.Repeat("+ a line of a diff that is much too long to be shown\n", 30000) + "```\n\n</details>\n")
		last := w.said(n)[1]
		switch cut := strings.Contains(last, "This was cut"); {
		case w.kind == "gitea" && (cut || !strings.HasSuffix(strings.TrimSpace(last), "</details>")):
			t.Error("Gitea has no limit, and the comment was cut")
		case w.kind != "gitea" && (!cut || !strings.Contains(last, "\n```\n\n</details>\n\n") || !strings.HasSuffix(last, "[All of it](https://example.com/all)")):
			t.Errorf("the comment is not cut well: ...%q", last[len(last)-300:])
		}
	})
}

func trimmed(notes []string) []string {
	for i := range notes {
		notes[i] = strings.TrimSpace(notes[i])
	}
	return notes
}

func TestCommitAndMerge(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		f, ctx := w.forge(t), t.Context()
		base := w.push("main", map[string]*string{"dir/a.txt": text("a\n"), "b.txt": text("b\n")})
		check := func(what string, err, is error) {
			t.Helper()
			if !errors.Is(err, is) {
				t.Fatalf("%s: %v, want %v", what, err, is)
			}
		}
		check("create a branch", f.CreateBranch(ctx, "promote/prod", base), nil)
		check("create it again", f.CreateBranch(ctx, "promote/prod", base), nil)
		if err := f.CreateBranch(ctx, "from-nowhere", strings.Repeat("0", 40)); err == nil {
			t.Error("a branch of no commit was made")
		}
		change := forge.Change{
			Branch: "promote/prod", Onto: base, Message: "Promote checkout\n\nfrom staging",
			Write: map[string][]byte{"dir/a.txt": []byte("aa\n"), "dir/new file.txt": {0, 1, 2, 255}}, Remove: []string{"b.txt"},
		}
		made, err := f.Commit(ctx, change)
		check("commit", err, nil)
		if head := w.head("promote/prod"); head != made || made == base {
			t.Fatalf("the branch is at %s, and the commit is %s", head, made)
		}
		for path, content := range map[string]string{"dir/a.txt": "aa\n", "dir/new file.txt": "\x00\x01\x02\xff", "README.md": "platform\n"} {
			if got, ok := w.file("promote/prod", path); !ok || got != content {
				t.Errorf("%s is %q", path, got)
			}
		}
		if _, ok := w.file("promote/prod", "b.txt"); ok {
			t.Error("b.txt is still there")
		}
		_, err = f.Commit(ctx, change)
		check("commit on an old head", err, forge.ErrMoved)
		check("create it elsewhere", f.CreateBranch(ctx, "promote/prod", base), forge.ErrExists)
		_, err = f.Commit(ctx, forge.Change{Branch: "no/such", Onto: base, Message: "x", Write: map[string][]byte{"x": nil}})
		check("commit to no branch", err, forge.ErrNotFound)
		if _, err = f.Commit(ctx, forge.Change{Branch: "promote/prod", Onto: made, Message: "x", Remove: []string{"b.txt"}}); err == nil {
			t.Error("a file that is not there was removed")
		}

		proposal := forge.Proposal{Title: "Promote", Body: "checkout", Head: "promote/prod", Base: "main"}
		pull, err := f.CreatePull(ctx, proposal)
		check("open a pull request", err, nil)
		if pull.Head.Commit != made || pull.Author != "fairway" || pull.State != forge.Open || pull.Head.Fork {
			t.Errorf("the pull request is %+v", pull)
		}
		_, err = f.CreatePull(ctx, proposal)
		check("open it again", err, forge.ErrExists)

		mergeable(ctx, t, f, pull.Number, forge.MergeYes)
		_, err = f.Merge(ctx, pull.Number, forge.Merge{Head: base, Method: forge.MergeCommit})
		check("merge at another head", err, forge.ErrMoved)
		if w.head("main") != base {
			t.Fatal("it was merged")
		}
		merge := forge.Merge{Head: made, Method: forge.MergeCommit, Message: "Promote checkout\n\nby fairway"}
		merged, err := f.Merge(ctx, pull.Number, merge)
		for began := time.Now(); errors.Is(err, forge.ErrNotMergeable) && time.Since(began) < 2*time.Minute; time.Sleep(200 * time.Millisecond) {
			merged, err = f.Merge(ctx, pull.Number, merge) // Gitea looks again after a merge that failed, and says yes meanwhile
		}
		check("merge", err, nil)
		after, err := f.Pull(ctx, pull.Number)
		if err != nil || after.State != forge.Merged || after.MergeCommit != merged || merged != w.head("main") {
			t.Errorf("after the merge to %s: %+v (%v)", merged, after, err)
		}
		if as, err := f.MergedAs(ctx, merged); err != nil || as.Number != pull.Number || as.Head.Commit != made {
			t.Errorf("merged as %s is %+v (%v)", merged, as, err)
		}
		for _, other := range []string{made, base} { // the head is not what it was merged as
			_, err = f.MergedAs(ctx, other)
			check("the pull request merged as "+other, err, forge.ErrNotFound)
		}
		_, err = f.Merge(ctx, pull.Number, forge.Merge{Head: made, Method: forge.MergeCommit})
		check("merge it again", err, forge.ErrNotMergeable)
	})
}

// TestMergedAs: a pull request that was rebased, or that the base was moved forward to, was
// merged as the last of its commits and as none else.
func TestMergedAs(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx, f := t.Context(), w.forge(t)
		propose := func(branch string) (number int, first, head string) {
			first = w.push(branch, map[string]*string{branch + "1": text("one\n")})
			head = w.push(branch, map[string]*string{branch + "2": text("two\n")})
			return w.open(branch, branch), first, head
		}
		wants := func(commit string, number int) {
			t.Helper()
			pr, err := f.MergedAs(ctx, commit)
			switch {
			case number == 0 && !errors.Is(err, forge.ErrNotFound):
				t.Errorf("merged as %s is %d (%v), want none", commit, pr.Number, err)
			case number != 0 && (err != nil || pr.Number != number || pr.State != forge.Merged || pr.Base.Branch != "main"):
				t.Errorf("merged as %s is %+v (%v), want %d", commit, pr, err, number)
			}
		}
		rebased, first, head := propose("rebased")
		aside := w.push("main", map[string]*string{"aside": text("aside\n")})
		tip := w.land(rebased, false)
		if tip == head || tip == aside {
			t.Fatalf("rebasing leaves main at %s", tip)
		}
		wants(tip, rebased)
		for _, other := range []string{first, head, aside} {
			wants(other, 0)
		}
		forward, first, head := propose("forward")
		if tip := w.land(forward, true); tip != head {
			t.Fatalf("main is at %s and not moved forward to %s", tip, head)
		}
		wants(head, forward)
		wants(first, 0)
	})
}

func TestConflict(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		head := w.push("topic", map[string]*string{"README.md": text("mine\n")})
		n := w.open("topic", "Conflict")
		w.push("main", map[string]*string{"README.md": text("yours\n")})
		f := w.forge(t)
		no := forge.MergeNo
		if w.kind == "gitea" {
			no = forge.MergeUnknown
		}
		mergeable(t.Context(), t, f, n, no)
		if _, err := f.Merge(t.Context(), n, forge.Merge{Head: head, Method: forge.Squash}); !errors.Is(err, forge.ErrNotMergeable) {
			t.Errorf("merge a conflict: %v", err)
		}
	})
}
