package ecr

import (
	"sync"

	"golang.org/x/time/rate"

	"tagline/config"
)

// account is the ECR of one account in one region. The readers and writers of its
// repositories share it.
type account struct {
	*connection
	tokens       tokens
	descriptions descriptions
	listings     sync.Map // repository -> *listing
	pushes       *rate.Limiter
	turn         chan struct{} // full while a batch of tags is read and pushed
}

func newAccount(run *run, name string, host config.ECRHost) *account {
	c := &connection{run: run, name: name, host: host, said: run.options.Registries[name]}
	a := &account{
		connection: c, tokens: tokens{connection: c}, descriptions: descriptions{connection: c},
		// Two at once make up for the reads between batches.
		pushes: rate.NewLimiter(rate.Limit(run.options.PushRate), 2), turn: make(chan struct{}, 1),
	}
	for _, repository := range run.options.Repositories {
		if repository.Host == name {
			a.descriptions.expected = append(a.descriptions.expected, repository.Path)
		}
	}
	return a
}
