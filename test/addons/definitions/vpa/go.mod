// For the definitions it ships alone: nothing of it is built, and only go mod download
// reads this.
module github.com/fairway-dev/fairway/test/addons/definitions/vpa

go 1.26.0

require k8s.io/autoscaler/vertical-pod-autoscaler v1.8.1
