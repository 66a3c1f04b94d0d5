package ecrtest

import (
	"crypto/rand"
	"encoding/xml"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Role is a role that STS hands out credentials for.
type Role struct {
	ARN        string
	ExternalID string   // what its trust policy asks for as sts:ExternalId; empty: nothing
	Trusts     []string // the access keys that may assume it
	Region     string   // whose STS knows it, for a role of another partition; empty: any
}

// Assumed is a call of AssumeRole.
type Assumed struct {
	Role, ExternalID, Session, Region, Key string
	Seconds                                int
}

// caller is who has signed a request.
type caller struct {
	role, arn, account string // no role: a user
	token              string
	until              time.Time
}

// sts is the operation AssumeRole of AWS's Security Token Service (STS API
// reference, API_AssumeRole; the wire format is the AWS query protocol of Smithy).
type sts struct {
	mu      sync.Mutex
	life    time.Duration // 0: what the call asks for
	roles   map[string]Role
	keys    map[string]caller // by access key
	assumed []Assumed
}

func newSTS() *sts {
	return &sts{roles: map[string]Role{}, keys: map[string]caller{}}
}

// AddUser adds an access key.
func (s *sts) AddUser(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[key] = caller{arn: "arn:aws:iam::000000000000:user/" + key, account: "000000000000"}
}

// AddRole adds or replaces a role.
func (s *sts) AddRole(r Role) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.roles[r.ARN] = r
}

// Assumed returns the calls so far.
func (s *sts) Assumed() []Assumed {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.assumed)
}

// SetLife overrides DurationSeconds.
func (s *sts) SetLife(life time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.life = life
}

// Caller returns who has an access key. A role's key needs its session token, and
// ends (IAM user guide, id_credentials_temp_use-resources).
func (s *sts) Caller(key, token string) (caller, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, known := s.keys[key]
	switch {
	case !known || c.token != token:
		return caller{}, refusal("UnrecognizedClientException", "The security token included in the request is invalid.")
	case !c.until.IsZero() && !c.until.After(time.Now()):
		return caller{}, refusal("ExpiredTokenException", "The security token included in the request is expired")
	}
	return c, nil
}

var (
	reRole = regexp.MustCompile(`^arn:(aws(?:-[a-z]+)*):iam::([0-9]{12}):role/(?:.+/)?([A-Za-z0-9_+=,.@-]{1,64})$`)
	// The patterns of API_AssumeRole.
	reSession  = regexp.MustCompile(`^[A-Za-z0-9_+=,.@-]{2,64}$`)
	reExternal = regexp.MustCompile(`^[A-Za-z0-9_+=,.@:/-]+$`)
	reSTS      = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=([^/]+)/[0-9]{8}/([^/]+)/sts/aws4_request, ?SignedHeaders=[^,]+, ?Signature=[0-9a-f]{64}$`)
)

// ServeHTTP answers a call.
func (s *sts) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	scope := reSTS.FindStringSubmatch(req.Header.Get("Authorization"))
	if scope == nil {
		refuseSTS(w, http.StatusForbidden, "IncompleteSignature", "Credential should be scoped to correct service: 'sts'.")
		return
	}
	if err := req.ParseForm(); err != nil || req.PostForm.Get("Version") != "2011-06-15" || req.PostForm.Get("Action") != "AssumeRole" {
		refuseSTS(w, http.StatusBadRequest, "InvalidAction", fmt.Sprintf("Could not find operation %s for version %s", req.PostForm.Get("Action"), req.PostForm.Get("Version")))
		return
	}
	seconds, err := strconv.Atoi(req.PostForm.Get("DurationSeconds"))
	call := Assumed{
		Role: req.PostForm.Get("RoleArn"), ExternalID: req.PostForm.Get("ExternalId"), Session: req.PostForm.Get("RoleSessionName"),
		Region: scope[2], Key: scope[1], Seconds: seconds,
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.assumed = append(s.assumed, call)
	m := reRole.FindStringSubmatch(call.Role)
	role, known := s.roles[call.Role]
	who, user := s.keys[call.Key]
	switch {
	case !user || who.token != req.Header.Get("X-Amz-Security-Token") || role.Region != "" && role.Region != call.Region:
		// also what another partition's STS says of keys of this one
		refuseSTS(w, http.StatusForbidden, "InvalidClientTokenId", "The security token included in the request is invalid.")
	case m == nil || !reSession.MatchString(call.Session) || call.ExternalID != "" && (!reExternal.MatchString(call.ExternalID) || len(call.ExternalID) < 2 || len(call.ExternalID) > 1224),
		err != nil || seconds < 900 || seconds > 43200:
		refuseSTS(w, http.StatusBadRequest, "ValidationError", "a value failed to satisfy its constraint")
	case !known || !slices.Contains(role.Trusts, call.Key) || role.ExternalID != "" && role.ExternalID != call.ExternalID:
		refuseSTS(w, http.StatusForbidden, "AccessDenied", fmt.Sprintf("User: %s is not authorized to perform: sts:AssumeRole on resource: %s", who.arn, call.Role))
	case seconds > 3600 && who.role != "": // role chaining
		refuseSTS(w, http.StatusBadRequest, "ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")
	default:
		life := time.Duration(seconds) * time.Second
		if s.life != 0 {
			life = s.life
		}
		key := "ASIA" + rand.Text()[:16]
		session := caller{
			role: call.Role, arn: fmt.Sprintf("arn:%s:sts::%s:assumed-role/%s/%s", m[1], m[2], m[3], call.Session), account: m[2],
			token: rand.Text(), until: time.Now().Add(life),
		}
		s.keys[key] = session
		writeXML(w, http.StatusOK, assumeRoleResponse{
			Result: assumeRoleResult{
				Credentials: credentials{key, rand.Text(), session.token, session.until.UTC().Format(time.RFC3339)},
				User:        assumedRoleUser{"AROA" + strings.Repeat("X", 17) + ":" + call.Session, session.arn},
			},
			RequestID: rand.Text(),
		})
	}
}

type assumeRoleResponse struct {
	XMLName   xml.Name         `xml:"https://sts.amazonaws.com/doc/2011-06-15/ AssumeRoleResponse"`
	Result    assumeRoleResult `xml:"AssumeRoleResult"`
	RequestID string           `xml:"ResponseMetadata>RequestId"`
}

type assumeRoleResult struct {
	Credentials credentials     `xml:"Credentials"`
	User        assumedRoleUser `xml:"AssumedRoleUser"`
}

type credentials struct {
	AccessKeyID     string `xml:"AccessKeyId"`
	SecretAccessKey string `xml:"SecretAccessKey"`
	SessionToken    string `xml:"SessionToken"`
	Expiration      string `xml:"Expiration"`
}

type assumedRoleUser struct {
	ID  string `xml:"AssumedRoleId"`
	ARN string `xml:"Arn"`
}

type stsError struct {
	XMLName   xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ ErrorResponse"`
	Type      string   `xml:"Error>Type"`
	Code      string   `xml:"Error>Code"`
	Message   string   `xml:"Error>Message"`
	RequestID string   `xml:"RequestId"`
}

func refuseSTS(w http.ResponseWriter, status int, code, message string) {
	writeXML(w, status, stsError{Type: "Sender", Code: code, Message: message, RequestID: rand.Text()})
}

func writeXML(w http.ResponseWriter, status int, v any) {
	body, err := xml.Marshal(v)
	if err != nil {
		panic(err) // our answers can always be marshaled
	}
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	_, _ = w.Write(body) // fails only if the client has hung up
}
