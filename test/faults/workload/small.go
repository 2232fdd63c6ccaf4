package workload

import "github.com/fairway-dev/fairway/test/faults/world"

// Small is W0-small: two teams in two environments on two clusters, nine units
// of services and sixty objects, and nine commits with one of everything that
// deletes: few enough requests to try a fault at every one of them.
func Small() *world.Workload {
	both := []string{"dev", "prod"}
	checkout := service("web", "shop", "checkout", `needs: pay: service: "pay"`+"\n\thttp: public: true\n\tscale: {min: 2, max: 4}")
	found := environment("dev", 10, "local", "debug", "").And(environment("prod", 30, "prod-eu", "info", "")).
		And(teamFile("shop")).And(teamFile("money")).
		And(service("web", "money", "pay", "")).And(released("money", "pay", "1.0.0", both...)).
		And(service("web", "shop", "cart", `needs: pay: service: "pay"`)).And(released("shop", "cart", "1.0.0", both...)).
		And(checkout).And(released("shop", "checkout", "1.0.0", both...)).
		And(service("cron", "shop", "nightly", "")).And(released("shop", "nightly", "1.0.0", "dev")).
		And(service("worker", "money", "mail", "")).And(released("money", "mail", "1.0.0", "dev"))
	return &world.Workload{Name: "w0-small", Steps: []world.Step{
		{Name: "found", Edits: found},
		{Name: "release", Edits: released("shop", "cart", "1.1.0", both...)},
		{Name: "invalid beside a change", Edits: service("web", "shop", "cart", `needs: pay: service: "pya"`).
			And(service("web", "money", "pay", `config: MODE: "strict"`))},
		{Name: "fix", Edits: service("web", "shop", "cart", `needs: pay: service: "pay"`+"\n\tconfig: SIZE: \"9\"")},
		{Name: "service removed", Edits: removed("shop", "checkout", both...)},
		{Name: "removal reverted", Revert: "service removed"},
		{Name: "release removed", Edits: world.Files{releasePath("prod", "shop", "cart"): world.Gone}},
		{Name: "scaled down", Edits: service("web", "shop", "checkout", `needs: pay: service: "pay"`+"\n\tscale: min: 1")},
		{Name: "environment changed", Edits: environment("dev", 10, "local", "info", "")},
	}}
}
