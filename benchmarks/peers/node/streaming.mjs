// graphql-ws over ws: texts that begin with a token at once and go on, one every 20 ms, when `/go` is asked for.
import { createServer } from "node:http";
import { buildSchema } from "graphql";
import { useServer } from "graphql-ws/use/ws";
import { WebSocketServer } from "ws";

const TOKENS = 64;
const MILLISECONDS = 20;
const schema = buildSchema(`
  interface TokenStreamEvent { sequence: Int! }
  type TokenEvent implements TokenStreamEvent { sequence: Int! text: String! }
  type StreamSnapshot implements TokenStreamEvent { sequence: Int! text: String! }
  type Query { texts: Int! }
  type Subscription { tokens(predictionId: ID!, after: Int! = 0): TokenStreamEvent! }
`);
const texts = new Map();

class Text {
  events = [];
  constructor() {
    this.turn();
    this.step();
  }
  turn() {
    this.news = new Promise((tell) => (this.tell = tell));
  }
  step() {
    const number = this.events.length;
    this.events.push({ tokens: { __typename: "TokenEvent", sequence: number + 1, text: ` word${number}` } });
    const tell = this.tell;
    this.turn();
    tell();
  }
  async *follow() {
    for (let number = 0; number < TOKENS; number += 1) {
      while (number >= this.events.length) await this.news;
      yield this.events[number];
    }
  }
}

const textOf = (id) => {
  if (!texts.has(id)) texts.set(id, new Text());
  return texts.get(id);
};

const go = () => {
  const waiting = [...texts.values()];
  texts.clear();
  let number = 1;
  const timer = setInterval(() => {
    for (const text of waiting) text.step();
    number += 1;
    if (number === TOKENS) clearInterval(timer);
  }, MILLISECONDS);
};

const server = createServer((request, response) => {
  if (request.url === "/go") go();
  response.end("{}");
});
const roots = { subscription: { tokens: ({ predictionId }) => textOf(predictionId).follow() } };
useServer({ schema, roots }, new WebSocketServer({ server, path: "/graphql" }));
server.listen({ host: "127.0.0.1", port: Number(process.env.PORT), backlog: 4096 });
