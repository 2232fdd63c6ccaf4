package status

import "time"

// PreviewState is how a preview is doing.
type PreviewState string

// The states of previews.
const (
	// PreviewNone: the pull request touches no service that could be previewed.
	PreviewNone PreviewState = "none"
	// PreviewWaiting: somebody has to let it, or others have to go before.
	PreviewWaiting PreviewState = "waiting"
	// PreviewMaking: it is being brought about.
	PreviewMaking PreviewState = "making"
	// PreviewReady: all of it is there and well.
	PreviewReady PreviewState = "ready"
	// PreviewFailing: something of it is held, refused or not well.
	PreviewFailing PreviewState = "failing"
	// PreviewEnded: it was there, or could be, and its time is over.
	PreviewEnded PreviewState = "ended"
)

// Preview is what is said of a pull request's preview.
type Preview struct {
	Number int `json:"number"`
	// Environment is its name; its units are spelled with it. Example: "pr-12".
	Environment string       `json:"environment"`
	Head        string       `json:"head"`
	State       PreviewState `json:"state"`
	// Message says in a line what it waits for or what is wrong.
	Message  string           `json:"message,omitempty"`
	Services []PreviewService `json:"services,omitempty"`
	// Left are touched services that it does not have, and why.
	Left map[string]string `json:"left,omitempty"`
	// Until is when it ends, Monthly what it costs a month.
	Until   time.Time `json:"until,omitzero"`
	Monthly float64   `json:"monthly,omitempty"`
}

// PreviewService is one service of a preview.
type PreviewService struct {
	Team string `json:"team"`
	Name string `json:"name"`
	// URLs are where it can be seen; none for one that is not public.
	URLs []string `json:"urls,omitempty"`
	// State is that of its units, in a word, and Message what is wrong.
	State   string `json:"state"`
	Message string `json:"message,omitempty"`
}
