// The real Gateway API, for its definitions alone: nothing of it is built, and only
// go mod download reads this.
module github.com/fairway-dev/fairway/test/addons/gatewayapi

go 1.26.0

require sigs.k8s.io/gateway-api v1.4.0
