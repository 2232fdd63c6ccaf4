// For the definitions it ships alone: nothing of it is built, and only go mod download
// reads this.
module github.com/fairway-dev/fairway/test/addons/definitions/envoy-gateway

go 1.26.7

require github.com/envoyproxy/gateway v1.9.1
