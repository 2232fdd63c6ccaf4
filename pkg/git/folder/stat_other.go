//go:build !linux

package folder

import (
	"io/fs"
	"os"
)

// lstat does without change time and inode: size and modification time remain.
func lstat(name string) (stat, fs.FileMode, error) {
	info, err := os.Lstat(name)
	if err != nil {
		return stat{}, 0, err
	}
	return stat{Size: info.Size(), Modified: info.ModTime().UnixNano()}, info.Mode(), nil
}
