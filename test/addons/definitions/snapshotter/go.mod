// For the definitions it ships alone: nothing of it is built, and only go mod download
// reads this.
module github.com/fairway-dev/fairway/test/addons/definitions/snapshotter

go 1.26.0

require github.com/kubernetes-csi/external-snapshotter/client/v8 v8.7.0
