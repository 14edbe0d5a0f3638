// Sends dunwell's operations through clients by others; prints what each got, as one JSON object.
//
// Usage: clients.mjs CLIENT URL KEY DOCUMENTS-FILE, where the file is JSON: {NAME: {query, variables}}.
import { readFileSync } from 'node:fs';

const [client, url, key, file] = process.argv.slice(2);
const operations = JSON.parse(readFileSync(file, 'utf8'));
const socketUrl = url.replace(/^http/, 'ws');
const headers = { authorization: `Bearer ${key}` };

/** All results of a subscription that ends by itself. */
const drained = (subscribe) =>
  new Promise((resolve, reject) => {
    const results = [];
    subscribe({ next: (result) => results.push(result), error: reject, complete: () => resolve(results) });
  });

const clients = {
  async 'graphql-ws'() {
    const { createClient } = await import('graphql-ws');
    const { WebSocket } = await import('ws');
    const own = createClient({
      url: socketUrl,
      webSocketImpl: WebSocket,
      connectionParams: { authorization: headers.authorization },
      retryAttempts: 0,
    });
    return {
      run: (operation) => drained((sink) => own.subscribe(operation, sink)),
      end: () => own.dispose(),
    };
  },

  async 'graphql-sse'() {
    const { createClient } = await import('graphql-sse');
    const own = createClient({ url, headers, retryAttempts: 0 });
    return {
      run: (operation) => drained((sink) => own.subscribe(operation, sink)),
      end: () => own.dispose(),
    };
  },

  async apollo() {
    const { ApolloClient, ApolloLink, HttpLink, InMemoryCache, gql } = await import('@apollo/client/core/index.js');
    const { GraphQLWsLink } = await import('@apollo/client/link/subscriptions/index.js');
    const { createClient } = await import('graphql-ws');
    const { WebSocket } = await import('ws');
    const sockets = createClient({
      url: socketUrl,
      webSocketImpl: WebSocket,
      connectionParams: { authorization: headers.authorization },
      retryAttempts: 0,
    });
    const own = new ApolloClient({
      cache: new InMemoryCache(),
      link: ApolloLink.split(
        ({ operationType }) => operationType === 'subscription',
        new GraphQLWsLink(sockets),
        new HttpLink({ uri: url, headers }),
      ),
    });
    const run = async ({ query, variables }) => {
      const document = gql(query);
      switch (document.definitions[0].operation) {
        case 'subscription':
          return drained((sink) => own.subscribe({ query: document, variables }).subscribe(sink));
        case 'mutation':
          return [await own.mutate({ mutation: document, variables, errorPolicy: 'all' })];
        default:
          return [await own.query({ query: document, variables, errorPolicy: 'all' })];
      }
    };
    return { run, end: () => (own.stop(), sockets.dispose()) };
  },

  async urql() {
    const { Client, cacheExchange, fetchExchange, gql } = await import('@urql/core');
    const own = new Client({
      url,
      exchanges: [cacheExchange, fetchExchange],
      fetchSubscriptions: true,
      preferGetMethod: false,
      fetchOptions: { headers },
    });
    const plain = ({ data, error }) => ({
      data,
      ...(error && { errors: error.graphQLErrors.map(({ message, extensions }) => ({ message, extensions })) }),
    });
    const run = async ({ query, variables }) => {
      const document = gql(query);
      switch (document.definitions[0].operation) {
        case 'subscription':
          // The last result comes once more when the stream has ended.
          return drained(({ next, complete }) =>
            own
              .subscription(document, variables)
              .subscribe((result) => (result.hasNext ? next(plain(result)) : complete())),
          );
        case 'mutation':
          return [plain(await own.mutation(document, variables).toPromise())];
        default:
          return [plain(await own.query(document, variables).toPromise())];
      }
    };
    return { run, end: () => {} };
  },
};

const { run, end } = await clients[client]();
const answers = {};
for (const [name, operation] of Object.entries(operations)) {
  try {
    answers[name] = await run(operation);
  } catch (problem) {
    const told = Array.isArray(problem) ? problem : [{ message: String(problem?.message ?? problem) }];
    answers[name] = [{ errors: told }];
  }
}
await end();
console.log(JSON.stringify(answers));
