package reconcile

import (
	"time"

	"tagline/config"
	"tagline/policies"
	"tagline/reconcile/registry"
)

// State is what the registries hold, as far as one image needs to know it: the
// answers to the planner's questions, each asked once. A tag or digest that
// certainly does not exist is an answer that wraps [registry.ErrNotFound]. Any
// other error means that the registry could not say.
type State struct {
	tags      map[place]registry.Answer[registry.Descriptor]  // by tag: what it names now; by digest: whether it exists
	manifests map[place]registry.Answer[*registry.Manifest]   // by tag or by digest
	recalled  map[place]registry.Answer[registry.RawManifest] // by digest: what a cache has of what the registry has lost
	platforms map[place]registry.Answer[config.Platform]      // by digest of the config blob
	facts     map[config.Repository]registry.Answer[registry.Facts]
	lists     map[config.Repository]registry.Answer[[]listed]
	cheap     map[config.Repository]bool // whose reader is Listed: asking for a tag costs next to nothing
	deep      bool                       // ask whether everything that aliases list still exists
	late      bool                       // ask whether aliases lack what was attached to their sources since they were copied

	noted registry.Record // by earlier runs

	// The rest is read for deletions, of the image's own repository.
	inventories map[config.Repository]registry.Answer[stock]
	referrers   map[place]registry.Answer[[]registry.Descriptor] // by digest of the subject
}

func newState() *State {
	return &State{
		tags:      map[place]registry.Answer[registry.Descriptor]{},
		manifests: map[place]registry.Answer[*registry.Manifest]{},
		recalled:  map[place]registry.Answer[registry.RawManifest]{},
		platforms: map[place]registry.Answer[config.Platform]{},
		facts:     map[config.Repository]registry.Answer[registry.Facts]{},
		lists:     map[config.Repository]registry.Answer[[]listed]{},
		cheap:     map[config.Repository]bool{},

		inventories: map[config.Repository]registry.Answer[stock]{},
		referrers:   map[place]registry.Answer[[]registry.Descriptor]{},
	}
}

// place is a tag or a digest in a repository.
type place struct {
	repository config.Repository
	reference  string
}

// stock is an inventory, and when it arrived by the local clock.
type stock struct {
	registry.Inventory
	seen time.Time
}

// view gives the answers that a [State] has. It notes each question without an
// answer, so that it can be read before the next round.
type view struct {
	*State
	home    config.Repository    // the repository of the image
	open    questions            // what has to be read
	waits   map[string]time.Time // what the next run should know of noted.Waiting; zero for what waits no more
	dates   map[string]string    // what the next run should know beside noted.Versions
	built   map[string][]listed  // the tags as a pattern of images.yaml reads them
	present map[place]bool       // manifests that need no question: a source's tag names them, or a push of this run brings them

	fallbacks map[string][]string              // see fallbackTags
	subjects  map[string][]registry.Descriptor // see referrersOf, where the registry lists everything
}

func newView(state *State, home config.Repository) *view {
	return &view{State: state, home: home, built: map[string][]listed{}, present: map[place]bool{}, dates: map[string]string{}, open: newQuestions()}
}

// questions are the places whose answers a view lacks.
type questions struct {
	tags, manifests, recalled, configs, referrers map[place]bool
	facts, lists, inventories                     map[config.Repository]bool
}

func newQuestions() questions {
	return questions{
		tags: map[place]bool{}, manifests: map[place]bool{}, recalled: map[place]bool{}, configs: map[place]bool{}, referrers: map[place]bool{},
		facts: map[config.Repository]bool{}, lists: map[config.Repository]bool{}, inventories: map[config.Repository]bool{},
	}
}

func (q questions) empty() bool {
	return len(q.tags)+len(q.manifests)+len(q.recalled)+len(q.configs)+len(q.referrers)+len(q.facts)+len(q.lists)+len(q.inventories) == 0
}

// tag returns what a tag names now, or whether a digest exists.
func (v *view) tag(in config.Repository, tag string) (registry.Descriptor, error) {
	return ask(v.tags, v.open.tags, place{in, tag})
}

// isIndex reports whether a descriptor is that of an index. Where the registry
// does not say its media type, the manifest is read.
func (v *view) isIndex(in config.Repository, d registry.Descriptor) (bool, error) {
	if d.MediaType != "" {
		return registry.IsIndex(d.MediaType), nil
	}
	m, err := v.manifest(in, d.Digest)
	return err == nil && m.Index, err
}

// manifest returns a manifest by tag or by digest.
func (v *view) manifest(in config.Repository, reference string) (*registry.Manifest, error) {
	return ask(v.manifests, v.open.manifests, place{in, reference})
}

// recall returns a manifest by digest from a cache, also if the registry has lost
// it. ErrNotFound means that no cache has it.
func (v *view) recall(in config.Repository, digest string) (registry.RawManifest, error) {
	return ask(v.recalled, v.open.recalled, place{in, digest})
}

// platform returns the platform that a config blob names, zero if it names none.
func (v *view) platform(in config.Repository, digest string) (config.Platform, error) {
	return ask(v.platforms, v.open.configs, place{in, digest})
}

// settings returns what the registry knows of the image's repository as a whole.
// Ask only for what is about to change, so that a run with nothing to do does
// not pay for it.
func (v *view) settings() (registry.Facts, error) {
	return ask(v.facts, v.open.facts, v.home)
}

// versions returns the tags of the image's repository, in the order of parseTags.
func (v *view) versions() ([]listed, error) {
	return ask(v.lists, v.open.lists, v.home)
}

// ask looks an answer up, and notes the question if there is none.
func ask[K comparable, T any](answers map[K]registry.Answer[T], open map[K]bool, at K) (T, error) {
	a, ok := answers[at]
	if !ok {
		open[at] = true
		return a.Value, errUnknown
	}
	return a.Value, a.Err
}

// scope is an image and a view of its repository.
type scope struct {
	*view
	image   config.Image
	rules   policies.Rules          // the image's policies
	aliases map[string]config.Alias // by tag
}

func newScope(image config.Image, v *view) scope {
	s := scope{view: v, image: image, rules: policies.Of(image.Policies), aliases: map[string]config.Alias{}}
	for _, a := range image.Aliases {
		s.aliases[a.Tag] = a
	}
	return s
}
