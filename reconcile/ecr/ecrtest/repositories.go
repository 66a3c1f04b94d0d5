package ecrtest

import (
	"cmp"
	"encoding/json"
	"iter"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
)

var (
	reRepository = regexp.MustCompile(`^(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*$`) // API_CreateRepository
	reExclusion  = regexp.MustCompile(`^[0-9a-zA-Z._*-]{1,128}$`)                                         // API_ImageTagMutabilityExclusionFilter
)

// create creates a repository.
func (r *Registry) create(name string, m mutability) (*repository, error) {
	if len(name) < 2 || len(name) > 256 || !reRepository.MatchString(name) { // API_CreateRepository
		return nil, invalid("repositoryName", "must satisfy regular expression '%s'", reRepository)
	}
	if r.repositories[name] != nil {
		return nil, refusal("RepositoryAlreadyExistsException",
			"The repository with name '%s' already exists in the registry with id '%s'", name, r.options.Account)
	}
	m.ImageTagMutability = cmp.Or(m.ImageTagMutability, string(types.ImageTagMutabilityMutable))
	if err := m.check(); err != nil {
		return nil, err
	}
	repo := &repository{
		name: name, createdAt: r.options.Now(), mutability: m,
		images: map[string]*image{}, tags: map[string]*image{},
		parents: map[string][]*image{}, referrers: map[string][]*image{},
		layers: map[string][]byte{}, uses: map[string]int{},
	}
	r.repositories[name] = repo
	return repo, nil
}

// repository finds a repository by name.
func (r *Registry) repository(name string) (*repository, error) {
	if repo := r.repositories[name]; repo != nil {
		return repo, nil
	}
	return nil, r.errNoRepository(r.options.Account, name)
}

func (r *Registry) errNoRepository(account, name string) error {
	return refusal("RepositoryNotFoundException",
		"The repository with name '%s' does not exist in the registry with id '%s'", name, account)
}

// pushTo finds the repository of a push, or creates it. Assumed: PutImage
// creates one, as a push to /v2/ does.
func (r *Registry) pushTo(name string) (*repository, error) {
	if r.repositories[name] == nil && r.options.CreateOnPush {
		return r.create(name, mutability{})
	}
	return r.repository(name)
}

// check validates a setting (API_PutImageTagMutability: one to five filters).
// Assumed: filters need a setting "…_WITH_EXCLUSION", and such a setting needs
// filters.
func (m mutability) check() error {
	exclusion := strings.HasSuffix(m.ImageTagMutability, "_WITH_EXCLUSION")
	switch n := len(m.ImageTagMutabilityExclusionFilters); {
	case !slices.Contains(types.ImageTagMutability("").Values(), types.ImageTagMutability(m.ImageTagMutability)):
		return invalid("imageTagMutability", "Member must satisfy enum value set: %s", types.ImageTagMutability("").Values())
	case exclusion:
		if err := atMost("imageTagMutabilityExclusionFilters", n, 5); err != nil {
			return err
		}
	case n > 0:
		return invalid("imageTagMutabilityExclusionFilters", "only with a setting that ends in _WITH_EXCLUSION")
	}
	for _, f := range m.ImageTagMutabilityExclusionFilters {
		if f.FilterType != string(types.ImageTagMutabilityExclusionFilterTypeWildcard) || !reExclusion.MatchString(f.Filter) {
			return invalid("imageTagMutabilityExclusionFilters", "must satisfy regular expression '%s'", reExclusion)
		}
	}
	return nil
}

// immutable reports whether a tag can't be moved once it exists (user guide,
// image-tag-mutability). In a filter only * is special; it stands for any
// characters, or none.
func (m mutability) immutable(tag string) bool {
	excluded := slices.ContainsFunc(m.ImageTagMutabilityExclusionFilters, func(f exclusionFilter) bool {
		ok, err := path.Match(f.Filter, tag) // neither a tag nor a filter has other characters that are special to Match
		return ok && err == nil
	})
	return strings.HasPrefix(m.ImageTagMutability, "IMMUTABLE") != excluded
}

func (r *Registry) detail(host string, repo *repository) repositoryDetail {
	return repositoryDetail{
		target:        r.target(repo),
		mutability:    repo.mutability,
		CreatedAt:     &epoch{repo.createdAt},
		RepositoryARN: arn(r.options.Region, r.options.Account, repo.name),
		RepositoryURI: host + "/" + repo.name, // in AWS it is always the account's own host
	}
}

func (r *Registry) target(repo *repository) target {
	return target{RegistryID: r.options.Account, RepositoryName: repo.name}
}

func (r *Registry) createRepository(host string, in createRepositoryRequest) (any, error) {
	repo, err := r.create(in.RepositoryName, in.mutability)
	if err != nil {
		return nil, err
	}
	return createRepositoryResponse{r.detail(host, repo)}, nil
}

// describeRepositories takes 1 to 100 names, or returns pages of 1 to 1,000,
// 100 by default; never both (API_DescribeRepositories). One missing name fails
// the whole call.
func (r *Registry) describeRepositories(host string, in describeRepositoriesRequest) (any, error) {
	if in.RepositoryNames == nil {
		details, next, err := page(in.pageRequest, 100, 1000, fingerprint("DescribeRepositories"), func(from position) iter.Seq2[position, repositoryDetail] {
			return func(yield func(position, repositoryDetail) bool) {
				for _, name := range slices.Sorted(maps.Keys(r.repositories)) {
					if name > from.Name && !yield(position{Name: name}, r.detail(host, r.repositories[name])) {
						return
					}
				}
			}
		})
		return describeRepositoriesResponse{next, details}, err
	}
	if in.MaxResults != nil || in.NextToken != "" {
		return nil, invalid("repositoryNames", "not together with maxResults or nextToken")
	}
	if err := atMost("repositoryNames", len(in.RepositoryNames), 100); err != nil {
		return nil, err
	}
	var out describeRepositoriesResponse
	for _, name := range in.RepositoryNames {
		repo, err := r.repository(name)
		if err != nil {
			return nil, err
		}
		out.Repositories = append(out.Repositories, r.detail(host, repo))
	}
	return out, nil
}

func (r *Registry) putImageTagMutability(repo *repository, in putImageTagMutability) (any, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	repo.mutability = in.mutability
	return putImageTagMutability{r.target(repo), in.mutability}, nil
}

// putLifecyclePolicy stores a policy's text, and never acts on it.
func (r *Registry) putLifecyclePolicy(repo *repository, in putLifecyclePolicy) (any, error) {
	if n := len(in.LifecyclePolicyText); n < 100 || n > 30720 || !json.Valid([]byte(in.LifecyclePolicyText)) { // API_PutLifecyclePolicy
		return nil, invalid("LifecyclePolicyText", "Lifecycle policy validation failure")
	}
	repo.lifecyclePolicy = in.LifecyclePolicyText
	return putLifecyclePolicy{r.target(repo), in.LifecyclePolicyText}, nil
}

func (r *Registry) getLifecyclePolicy(repo *repository, _ getLifecyclePolicyRequest) (any, error) {
	if repo.lifecyclePolicy == "" {
		return nil, refusal("LifecyclePolicyNotFoundException",
			"Lifecycle policy does not exist for the repository with name '%s' in the registry with id '%s'", repo.name, r.options.Account)
	}
	return getLifecyclePolicyResponse{r.target(repo), &epoch{repo.createdAt}, repo.lifecyclePolicy}, nil
}
