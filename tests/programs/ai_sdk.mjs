// A chat with the Vercel AI SDK, as an application would have it: turn by turn, history kept, tools run here.
//
// ASK is JSON: protocol (responses, chat or anthropic), base, turns (what the user says), tools (names below), stream,
// options (for the provider), model. Prints a line of JSON for each turn, then one with the whole history.
import { execFileSync } from 'node:child_process';
import { writeFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const ask = JSON.parse(process.env.ASK);
const require = createRequire(process.env.MODULES + '/');
const load = name => import(pathToFileURL(require.resolve(name)).href);
const ai = await load('ai');
const { createOpenAI } = await load('@ai-sdk/openai');
const { createAnthropic } = await load('@ai-sdk/anthropic');
const { z } = await load('zod');

const key = { apiKey: 'made-up-key' };
const openai = createOpenAI({ baseURL: ask.base, ...key });
const anthropic = createAnthropic({ baseURL: ask.base, ...key });
const sh = command => execFileSync('sh', ['-c', command], { encoding: 'utf8' });

const make = {
  write: () => ai.tool({
    description: 'Writes a file.',
    inputSchema: z.object({ path: z.string(), text: z.string() }),
    execute: async ({ path, text }) => { writeFileSync(path, text); return `wrote ${path}`; },
  }),
  shell: () => openai.tools.shell({
    execute: async ({ action }) => ({
      output: action.commands.map(command => ({
        stdout: sh(command), stderr: '', outcome: { type: 'exit', exitCode: 0 },
      })),
    }),
  }),
  local_shell: () => openai.tools.localShell({
    execute: async ({ action }) => ({ output: execFileSync(action.command[0], action.command.slice(1), { encoding: 'utf8' }) }),
  }),
  apply_patch: () => openai.tools.applyPatch({
    execute: async ({ operation }) => {
      if (operation.type === 'delete_file') rmSync(operation.path);
      else writeFileSync(operation.path, operation.diff.replace(/^\+/gm, ''));
      return { status: 'completed', output: `did ${operation.type}` };
    },
  }),
  bash: () => anthropic.tools.bash_20250124({ execute: async ({ command }) => sh(command) }),
  memory: () => anthropic.tools.memory_20250818({ execute: async ({ command }) => `did ${command}` }),
};

const model = { responses: () => openai(ask.model), chat: () => openai.chat(ask.model), anthropic: () => anthropic(ask.model) };
const options = { [ask.protocol === 'anthropic' ? 'anthropic' : 'openai']: ask.options ?? {} };
const tools = Object.fromEntries((ask.tools ?? []).map(name => [name, make[name]()]));
const most = (ai.isStepCount ?? ai.stepCountIs)(5);
const messages = [];
const say = line => process.stdout.write(JSON.stringify(line) + '\n');

for (const content of ask.turns) {
  messages.push({ role: 'user', content });
  const given = { model: model[ask.protocol](), messages, tools, stopWhen: most, providerOptions: options, maxRetries: ask.retries ?? 0 };
  try {
    let failure;
    const result = ask.stream
      ? ai.streamText({ ...given, onError: ({ error }) => { failure = error; } })
      : await ai.generateText(given);
    if (ask.stream) await result.consumeStream();
    if (failure) throw failure;
    const made = (await result.responseMessages) ?? (await result.response).messages;
    messages.push(...made);
    const steps = await result.steps;
    say({
      text: await result.text,
      finish: await result.finishReason,
      reasoning: steps.map(step => step.reasoningText ?? '').join(''),
      warnings: steps.flatMap(step => step.warnings ?? []),
      tokens: (await result.usage).outputTokens,
      id: (await result.response).id,
    });
  } catch (error) {
    say({ error: error.message ?? String(error), status: error.statusCode, name: error.name });
  }
}
say({ messages });
