// Command tagline keeps a container registry's stable tags true to a committed
// images.yaml. This package has its flags, output and exit codes. What a run does is
// in package reconcile.
//
// # Reading order
//
// Each file uses only files above it; a test checks that.
//
// What needs no flag:
//
//	exit.go       exit codes
//	message.go    how errors are printed
//	unknown.go    commands and arguments that do not exist
//	flags.go      what is wrong with a flag
//	read.go       reading files, pipes and stdin
//	write.go      writing files, as a whole or not at all
//	time.go       dates, times and how long ago
//	names.go      which image a text names
//	shard.go      part I of N of the repositories
//	ci.go         what the variables of a CI job say
//	progress.go   the lines that say how far a run is
//
// What commands share:
//
//	app.go        the streams and the values of the flags
//	version.go    the version, and the command that prints it
//	terminal.go   colours and the width of the terminal
//	stderr.go     the log, the warnings and the progress
//	load.go       reading images.yaml
//	complete.go   names of images and aliases for the shell, and --image
//	reference.go  REF and REPOSITORY
//	connect.go    clients of registries
//	cache.go      the cache of manifests
//	trash.go      the trash
//	journals.go   reading journals
//	recording.go  the journal that a run writes
//
// Where reports go:
//
//	formats.go    the formats of -o
//	answer.go     one answer, as text or JSON
//	actions.go    what a step of GitHub Actions gets without flags
//	metrics.go    what the metrics are taken from
//	output.go     everything that a run reports to
//
// Runs:
//
//	run.go        a run, and the exit code that it leads to
//	survey.go     a dry run for what its aliases carry
//
// The commands, of which none uses another one's file:
//
//	saved.go      the saved plan of apply --plan
//	apply.go      apply
//	compose.go    the compose files of check --compose
//	check.go      check
//	config.go     config
//	inspect.go    inspect
//	drafted.go    where init writes to
//	init.go       init
//	demo_runs.go  what both demos show
//	demo_ecr.go   demo --ecr
//	demo.go       demo
//	restore.go    restore
//	history.go    history
//	page.go       page
//	report.go     report join
//	status.go     status
//	explain.go    explain
//	schema.go     schema
//	man.go        man
//
// All of them together:
//
//	root.go       the command that has all others, and the flags of all
//	main.go       the process
package main
