package status

import "time"

// PullRequest is what is known of an open pull request.
type PullRequest struct {
	Number int    `json:"number"`
	Title  string `json:"title"`
	Author string `json:"author"`
	URL    string `json:"url,omitempty"`
	// Head and Base are the commits that were looked at last.
	Head string `json:"head"`
	Base string `json:"base"`
	// Verdict says in a line what merging it would do, Risk how much could go wrong:
	// "low", "medium" or "high".
	Verdict string `json:"verdict,omitempty"`
	Risk    string `json:"risk,omitempty"`
	// Approvals says in a line who has yet to approve it; Approved, that nobody has.
	Approvals string `json:"approvals,omitempty"`
	Approved  bool   `json:"approved"`
	// Failed says why nothing is known of these commits; "" where something is.
	Failed string    `json:"failed,omitempty"`
	At     time.Time `json:"at"`
}
