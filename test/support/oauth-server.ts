/**
 * A real OAuth 2.0 server, run as a process of its own: refresh tokens rotate, and one that is used twice revokes its whole family. `GET /things` wants a
 * valid access token. Prints its address and a first refresh token as one line of JSON.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Provider } from "oidc-provider";

const ACCESS_TOKEN_S = 2;
const client = { client_id: "app", client_secret: "app-secret", redirect_uris: ["https://app.example/cb"] };

const server = createServer();
await new Promise<void>(resolve => server.listen(0, "127.0.0.1", resolve));
const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
const provider = new Provider(issuer, {
  clients: [{ ...client, grant_types: ["authorization_code", "refresh_token"] }],
  clientAuthMethods: ["client_secret_basic", "client_secret_post"],
  rotateRefreshToken: true,
  ttl: { AccessToken: ACCESS_TOKEN_S, RefreshToken: 3_600, Grant: 3_600 },
  findAccount: (_context, id) => ({ accountId: id, claims: async () => ({ sub: id }) }),
  features: { devInteractions: { enabled: false } },
  cookies: { keys: ["only for tests"] },
});

let revoked = 0;
let refreshed = 0;
let served = 0;
let refused = 0;
provider.on("grant.revoked", () => void revoked++);
provider.on("grant.success", () => void refreshed++);
provider.use(async (context, next) => {
  if (context.path === "/state") context.body = { revoked, refreshed, served, refused };
  else if (context.path === "/things") {
    const token = await provider.AccessToken.find(context.get("authorization").replace("Bearer ", ""));
    context.status = token?.isValid ? 200 : 401;
    context.body = token?.isValid ? { number: ++served } : { error: "invalid_token" };
    if (!token?.isValid) refused++;
  } else await next();
});
server.on("request", provider.callback());

const grant = new provider.Grant({ accountId: "ann", clientId: client.client_id });
grant.addOIDCScope("openid offline_access");
const grantId = await grant.save();
const first = new provider.RefreshToken({
  accountId: "ann",
  client: (await provider.Client.find(client.client_id))!,
  grantId,
  scope: "openid offline_access",
  gty: "authorization_code",
});
console.log(JSON.stringify({ issuer, refreshToken: await first.save() }));
