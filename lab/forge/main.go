// Command fairway-forge is Gitea as its module has it, for tests and for `up`, on
// a SQLite that needs no C compiler.
package main

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"code.gitea.io/gitea/cmd"
	"code.gitea.io/gitea/modules/log"
	_ "code.gitea.io/gitea/modules/markup/markdown"
	"code.gitea.io/gitea/modules/setting"
	"github.com/urfave/cli/v3"
	"modernc.org/sqlite"
)

// version is Gitea's own; build.sh sets it.
var version = "development"

func main() {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		if err := serve(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "fairway-forge serve:", err)
			os.Exit(1)
		}
		return
	}
	if os.Getenv("FAIRWAY_FORGE_UNTIL_STDIN_CLOSES") != "" && len(os.Args) > 1 && os.Args[1] == "web" {
		go untilStdinCloses()
	}
	sql.Register("sqlite3", plain{&sqlite.Driver{}})
	setting.EnableSQLite3 = true
	setting.SupportedDatabaseTypes = append(setting.SupportedDatabaseTypes, "sqlite3")
	setting.AppVer = version
	setting.AppStartTime = time.Now().UTC()
	cli.OsExiter = func(code int) {
		log.GetManager().Close()
		os.Exit(code)
	}
	_ = cmd.RunMainApp(cmd.NewMainApp(cmd.AppVersion{Version: setting.AppVer}), os.Args...) // it has told and exited
	log.GetManager().Close()
}

// untilStdinCloses ends the server when who started it ends, however that was.
func untilStdinCloses() {
	_, _ = io.Copy(io.Discard, os.Stdin)
	_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
}

// plain is SQLite under the name and with the options that Gitea asks of another
// driver. Nothing is forced to disk: what a killed process wrote stays, and a
// lab need not survive more.
type plain struct{ driver.Driver }

// Open takes the other driver's options out of the name and says the same in this one's.
func (p plain) Open(name string) (driver.Conn, error) {
	file, _, _ := strings.Cut(name, "?")
	options := url.Values{
		"_txlock": {"immediate"},
		"_pragma": {"busy_timeout(20000)", "journal_mode(WAL)", "synchronous(0)"},
	}
	return p.Driver.Open(file + "?" + options.Encode())
}
