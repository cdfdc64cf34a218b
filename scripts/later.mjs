// Front door commands whose rooms are not built yet.

const [, , name] = process.argv;
console.error(`npm run ${name}: not there yet, see docs/requirements.md`);
process.exit(1);
