// The certified `oidc-provider`, on loopback, for the tests of tokens (tests/auth/test_certified_provider.py)
// and of signing in to the pages (tests/web/test_sign_in_certified.py).
//
//   node provider.mjs NODE_MODULES [ORIGIN]
//
// ORIGIN is where the service serves its pages to this provider's people: http://127.0.0.1:8080 unless said.
// Prints its issuer URL on one line and serves until its standard input closes. Beside the provider's own
// endpoints it has POST /test/rotate (every signing key is replaced) and POST /test/withdraw (nothing is
// published any more). Whoever is sent to log in is at once logged in as the `login_hint`; where there is none, a
// form asks for `login`, and for no password.

import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const { default: Provider } = await import(
  pathToFileURL(join(process.argv[2], 'oidc-provider', 'lib', 'index.js'))
);

const SCOPES = [
  'fermata:check', 'fermata:consents', 'fermata:manage', 'fermata:catalog',
  'fermata:policy', 'fermata:notice', 'fermata:audit',
];

// The service's own pages as the tests run them; PKCE is asked of these two.
const ORIGIN = process.argv[3] ?? 'http://127.0.0.1:8080';
const PAGES = {
  redirect_uris: [`${ORIGIN}/settings/callback`],
  post_logout_redirect_uris: [`${ORIGIN}/settings/signed-out`],
  grant_types: ['authorization_code'], response_types: ['code'], scope: 'openid',
};

function newKeys() {
  const pairs = [
    generateKeyPairSync('rsa', { modulusLength: 2048 }),
    generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    generateKeyPairSync('ed25519'),
  ];
  return pairs.map(({ privateKey }) => (
    { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), use: 'sig' }
  ));
}

// A resource such as https://fermata.example/?alg=PS256 stands for the audience https://fermata.example/
// with tokens signed that way.
function resourceServer(resource) {
  const url = new URL(resource);
  const alg = url.searchParams.get('alg') ?? 'RS256';
  url.search = '';
  return {
    audience: url.href, scope: SCOPES.join(' '), accessTokenFormat: 'jwt', jwt: { sign: { alg } },
  };
}

const LOGIN_PAGE = '<!doctype html><title>Log in</title><form method="post"><input name="login"><button>Log in</button></form>';

// The provider's own page would ask another company for a font.
function askWhetherToSignOut(ctx, form) {
  ctx.body = `<!doctype html><title>Sign out</title>${form}<button form="op.logoutForm" name="logout" value="yes">Sign out</button>`;
}

async function typedLogin(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return new URLSearchParams(Buffer.concat(chunks).toString()).get('login');
}

async function grantAll(ctx) {
  const { client, params, session } = ctx.oidc;
  const grant = new ctx.oidc.provider.Grant({ clientId: client.clientId, accountId: session.accountId });
  grant.addOIDCScope(['openid', ...SCOPES].join(' '));
  if (params.resource) grant.addResourceScope(params.resource, SCOPES.join(' '));
  await grant.save();
  return grant;
}

function newProvider(issuer, keys) {
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: 'pipeline', client_secret: 'a-secret-for-the-pipeline', redirect_uris: [], response_types: [],
        grant_types: ['client_credentials'], scope: SCOPES.join(' '),
      },
      {
        client_id: 'settings-page', client_secret: 'a-secret-for-the-page', scope: ['openid', ...SCOPES].join(' '),
        redirect_uris: ['https://page.example/back'], grant_types: ['authorization_code'], response_types: ['code'],
      },
      { ...PAGES, client_id: 'fermata-pages', token_endpoint_auth_method: 'none' },
      { ...PAGES, client_id: 'fermata-pages-with-secret', client_secret: 'a secret: 100 %+&' },
    ],
    cookies: { keys: [randomUUID()] },
    enabledJWA: { idTokenSigningAlgValues: ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519'] },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      rpInitiatedLogout: { enabled: true, logoutSource: askWhetherToSignOut },
      resourceIndicators: { enabled: true, getResourceServerInfo: (_ctx, resource) => resourceServer(resource) },
    },
    findAccount: (_ctx, sub) => ({ accountId: sub, claims: () => ({ sub }) }),
    interactions: { url: (_ctx, interaction) => `/test/login/${interaction.uid}` },
    jwks: { keys },
    loadExistingGrant: grantAll,
    pkce: { required: (_ctx, client) => client.clientId.startsWith('fermata-pages') },
    scopes: ['openid', ...SCOPES],
  });
  const answer = provider.callback();
  return async (request, response) => {
    if (!request.url.startsWith('/test/login/')) return answer(request, response);
    const { params } = await provider.interactionDetails(request, response);
    const accountId = params.login_hint ?? (request.method === 'POST' && await typedLogin(request));
    if (accountId === false) return response.writeHead(200, { 'Content-Type': 'text/html' }).end(LOGIN_PAGE);
    const result = accountId ? { login: { accountId } } : { error: 'access_denied' };
    return provider.interactionFinished(request, response, result);
  };
}

let answer;
let published = true;

const server = createServer((request, response) => {
  if (request.method === 'POST' && request.url === '/test/rotate') {
    answer = newProvider(issuer, newKeys());
    response.writeHead(204).end();
  } else if (request.method === 'POST' && request.url === '/test/withdraw') {
    published = false;
    response.writeHead(204).end();
  } else if (request.url === '/jwks' && !published) {
    response.writeHead(200, { 'Content-Type': 'application/jwk-set+json' }).end('{"keys":[]}');
  } else {
    answer(request, response);
  }
});

await new Promise((listening) => { server.listen(0, '127.0.0.1', listening); });
const issuer = `http://127.0.0.1:${server.address().port}`;
answer = newProvider(issuer, newKeys());
process.stdout.write(`${issuer}\n`);
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
