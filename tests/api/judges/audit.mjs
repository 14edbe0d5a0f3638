// Runs graphql-http's server audit against URL with KEY and prints one JSON array: {id, name, status, reason}.
import { auditServer } from 'graphql-http';

const [url, key] = process.argv.slice(2);

const results = await auditServer({
  url,
  fetchFn: (address, init) =>
    fetch(address, { ...init, headers: { ...init?.headers, authorization: `Bearer ${key}` } }),
});

console.log(
  JSON.stringify(results.map(({ id, name, status, reason }) => ({ id, name, status, reason: reason ?? null }))),
);
